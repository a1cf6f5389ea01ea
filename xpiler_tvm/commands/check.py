"""`xpiler check`: look for faults in a kernel, or compare two."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from ..errors import ReadError
from ..kernel import Kernel
from . import arguments, command, progress
from .ending import FOUND

if TYPE_CHECKING:
    from . import Commands


def add(commands: Commands) -> None:
    """Register the command."""
    check = command(
        commands,
        "check",
        _check,
        parents=[arguments.source(), arguments.common()],
        summary="look for faults in a kernel, or compare two of any dialects",
        description="Run a kernel with every access watched and print what is wrong with it. With "
        "two kernels also compare what they compute, from the same inputs; what one file does not "
        "say of its parameters is taken from the other.",
        examples=(
            "check softmax.cu",
            "check softmax.cu softmax.mlu --json",
            "check gemm.cu mine.mlu --tasks-b 16 --kind-b union1 --mode lenient",
        ),
    )
    _add_options(check)


def _add_options(check: argparse.ArgumentParser) -> None:
    check.add_argument(
        "other", nargs="?", metavar="FILE", help="a second file, to be compared with the first"
    )
    check.add_argument("--arch", help="the device: sm_80, gfx90a, mtp_592, …")
    add_second(check)
    check.add_argument(
        "--seed",
        action="append",
        type=int,
        default=[],
        metavar="N",
        help="of the inputs; may be given several times (default: 0 and 1)",
    )
    check.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="CPU seconds that one run may take (default: 60)",
    )
    check.add_argument(
        "--allow-unwritten",
        action="store_true",
        help="an output may be written in part",
    )


def add_second(command: argparse.ArgumentParser) -> None:
    """Options with -b: what describes a second file."""
    second = command.add_argument_group("the second file, where it says less than the first")
    for option, text in (
        ("dialect", "its dialect"),
        ("entry", "its kernel"),
        ("grid", "blocks of its launch"),
        ("block", "threads of a block"),
        ("shared", "bytes of dynamic shared memory"),
        ("tasks", "tasks of a job of BANG C"),
        ("kind", "the job's type"),
        ("arch", "the device"),
    ):
        second.add_argument(f"--{option}-b", help=text)
    second.add_argument("--param-b", action="append", default=[], metavar="SPEC")
    second.add_argument("--arg-b", action="append", default=[], metavar="NAME=VALUE")


def _check(options: argparse.Namespace) -> int:
    first, second = arguments.kernel_of(options), other_kernel(options)
    if options.seconds <= 0:
        raise ReadError("XP1014", f"--seconds {options.seconds:g} is no time to run")
    if any(seed < 0 for seed in options.seed):
        raise ReadError("XP1014", "--seed takes numbers from 0")

    import xpiler_tvm as xt

    from .. import report

    with progress.shown("running with every access watched", quiet=options.json):
        found = xt.check(
            first,
            second,
            seeds=tuple(options.seed) or (0, 1),
            arch=options.arch,
            arch_b=options.arch_b,
            mode=options.mode,
            seconds=options.seconds,
            allow_unwritten=options.allow_unwritten,
        )
    code = 0 if found.ok else FOUND
    if options.json:
        print(json.dumps({"version": arguments.version(), **found.as_dict()}, indent=2))
        return code
    for finding in found.findings:
        print(f"{finding}\n")
    report.show([report.Section(found.title, found.checks, {}, found.notes)], sys.stdout)
    return code


def other_kernel(options: argparse.Namespace) -> Kernel | None:
    """The second file, `options.other`, described by the options with -b."""
    given = vars(options)
    mine = {name: given[f"{name}_b"] for name in _OF_EACH}
    if options.other is None:
        extra = next((name for name in _OF_EACH if mine[name]), None)
        if extra is not None:
            raise ReadError("XP1014", f"--{extra}-b is about a second file, and there is none")
        return None
    if options.file == options.other == arguments.STDIN:
        raise ReadError("XP1014", "only one of two files can be standard input")
    return arguments.kernel_of(
        argparse.Namespace(file=options.other, mode=options.mode, size=[], **mine)
    )


_OF_EACH = (
    "dialect", "entry", "grid", "block", "shared", "tasks", "kind", "param", "arg", "arch",
)  # fmt: skip
