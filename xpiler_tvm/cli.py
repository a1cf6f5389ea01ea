"""The `xpiler` command.

Exit codes: 0 done; 1 `check` found a fault or a difference; 2 wrong usage; 11 to 17 an error of
stage 1 to 7 (the first digit of its code: `XP1…` reading, … `XP7…` language models); 70 an error of
ours; 130 interrupted.

Nothing heavy is imported before it is needed, so that `xpiler --help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from .commands import (
    arguments,
    check,
    db,
    doctor,
    lift,
    prompts,
    repair,
    translate,
    translate_all,
    tune,
)
from .errors import XpilerError

COMMANDS = (translate, translate_all, lift, check, repair, tune, db, prompts, doctor)
INTERNAL_ERROR = 70
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.action(options)
        sys.stdout.flush()
        return code
    except XpilerError as error:
        print(error, file=sys.stderr)
        if options.json:
            print(json.dumps({"error": _error_dict(error)}, indent=2))
        return exit_code(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; keep Python from failing again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if options.debug:
            traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        message = f"{type(error).__name__}: {lines[0]}"
        if options.json:
            print(json.dumps({"error": {"code": "internal", "message": message}}, indent=2))
        print(
            f"internal error: {message}\n"
            "hint: this is a defect of xpiler, not of your file; report it with the file, the "
            "output of `xpiler doctor` and of this command with --debug",
            file=sys.stderr,
        )
        return INTERNAL_ERROR


def exit_code(error: XpilerError) -> int:
    """10 and the stage's digit: 11 for `XP1…`."""
    return 10 + int(error.code[2])


def _error_dict(error: XpilerError) -> dict[str, Any]:
    from .report import span_as_dict

    place = span_as_dict(error.span)
    return {"code": error.code, "message": error.message, **place, "hint": error.hint}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xpiler",
        description="Translate a GPU kernel to other platforms, with evidence by execution.",
    )
    parser.add_argument("--version", action="version", version=f"xpiler {arguments.version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
