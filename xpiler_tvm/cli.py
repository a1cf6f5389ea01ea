"""The `xpiler` command. Its exit codes are those of `commands/ending.py`.

Nothing heavy is imported before it is needed, so that `xpiler --help` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .commands import (
    ExamplesFormatter,
    arguments,
    check,
    completion,
    db,
    diff,
    doctor,
    explain,
    lift,
    prompts,
    repair,
    translate,
    translate_all,
    tune,
    watch,
)
from .commands.ending import ended

COMMANDS = (
    translate, translate_all, watch, lift, check, diff, repair, tune, db, explain, prompts, doctor,
    completion,
)  # fmt: skip

ENDING = """\
examples:
  $ xpiler translate examples/softmax.cu --to hip,bang,vnni,cuda -o build/
  $ xpiler check softmax.cu softmax.mlu
  $ xpiler explain XP1006

exit codes:
  0 done; 1 a fault or a difference was found; 2 wrong usage; 11 to 17 an error of
  stage 1 to 7, the first digit of its code (see `xpiler explain`); 70 a defect of
  xpiler; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    whole = parser()
    options = whole.parse_args(argv)
    options.parser = whole
    return ended(options.action, options)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="xpiler",
        description="Translate a GPU kernel to other platforms, with evidence by execution.",
        epilog=ENDING,
        formatter_class=ExamplesFormatter,
    )
    parser.add_argument("--version", action="version", version=f"xpiler {arguments.version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
