"""How a command ends: with an exit code, and with a sentence where something went wrong.

| code | meaning |
|---|---|
| 0 | done |
| 1 | a fault or a difference was found, or a kernel of many got no answer |
| 2 | wrong usage |
| 11 to 17 | an error of stage 1 to 7, the first digit of its code: `XP1…` is reading |
| 70 | a defect of ours |
| 130 | interrupted |
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from ..errors import XpilerError

if TYPE_CHECKING:
    from . import Action

FOUND = 1
INTERNAL_ERROR = 70
INTERRUPTED = 130


def ended(action: Action, options: argparse.Namespace) -> int:
    """Carries an action out and gives its exit code; what it raises is told on stderr."""
    try:
        code = action(options)
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
        _tell_defect(error, options)
        return INTERNAL_ERROR


def exit_code(error: XpilerError) -> int:
    """10 and the stage's digit: 11 for `XP1…`."""
    return 10 + int(error.code[2])


def _error_dict(error: XpilerError) -> dict[str, Any]:
    from ..report import span_as_dict

    place = span_as_dict(error.span)
    return {"code": error.code, "message": error.message, **place, "hint": error.hint}


def _tell_defect(error: Exception, options: argparse.Namespace) -> None:
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
