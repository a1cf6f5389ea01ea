"""`xpiler repair`: change integers of a wrong kernel until it does what another does."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ReadError, SetupError
from . import arguments, command, progress
from .check import add_second, other_kernel
from .ending import FOUND

if TYPE_CHECKING:
    from ..synthesis import Repair
    from . import Commands


def add(commands: Commands) -> None:
    """Register the command."""
    repair = command(
        commands,
        "repair",
        _repair,
        summary="repair a wrong kernel after one that is right",
        examples=(
            "repair broken.mlu --like good.cu -o mended.mlu",
            "repair broken.mlu --like good.cu --where",
        ),
        parents=[arguments.source(), arguments.common()],
        description="Change indices, bounds, strides, counts and thread mappings of a kernel until "
        "it does what another one does, of any dialect, and print the change. A change is accepted "
        "when both agree on all families of inputs and a checked run finds no fault.",
    )
    repair.add_argument("--like", dest="other", required=True, metavar="FILE", help="what is right")
    repair.add_argument("--arch", help="the device of the wrong kernel: sm_80, gfx90a, mtp_592, …")
    add_second(repair)
    repair.add_argument(
        "--runs",
        type=int,
        default=0,
        metavar="N",
        help="runs of the emulator that the search may take",
    )
    repair.add_argument("--where", action="store_true", help="only say where it goes wrong")
    repair.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the repaired file")


def _repair(options: argparse.Namespace) -> int:
    broken, like = arguments.kernel_of(options), other_kernel(options)
    if like is None or options.runs < 0:
        raise ReadError("XP1014", f"--runs {options.runs} is no number of runs")

    from ..synthesis import localise, repair
    from ..synthesis.repairing import RUNS

    if options.where:
        places = localise(broken, like, arch=options.arch)
        if options.json:
            print(json.dumps([place.as_dict() for place in places], indent=2))
        else:
            print("\n".join(map(str, places)) or "nothing is wrong")
        return FOUND if places else 0
    runs = options.runs or RUNS
    with progress.shown("running both", quiet=options.json) as show:
        done = repair(broken, like, runs=runs, arch=options.arch, progress=show)
    if options.output and done.ok:
        try:
            options.output.write_text(done.kernel.source, encoding="utf-8")
        except OSError as error:
            raise SetupError(
                "XP6004", f"{options.output} cannot be written: {error.strerror}"
            ) from None
    if options.json:
        print(json.dumps({"version": arguments.version(), **done.as_dict()}, indent=2))
    else:
        _print(done)
    return 0 if done.ok else FOUND


def _print(done: Repair) -> None:
    from .. import report

    title = Path(done.broken.filename).name
    report.show([report.Section(title, done.checks, {}, ())], sys.stdout)
    if done.verdict == "repaired":
        print("\n".join(map(str, done.edits)), end="\n\n")
        print(done.diff, end="")
    elif done.verdict == "equal":
        print("nothing is wrong with it")
    else:
        print(f"{done.verdict}: {done.reason}")
