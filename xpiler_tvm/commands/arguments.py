"""What several commands ask: their common options, and the kernel that these describe."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Collection
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from ..dialects.bang import KINDS
from ..errors import ReadError
from ..extents import Extent, checked, names_of
from ..kernel import DIALECTS, Kernel, Launch, Param, Scalar, Size, Tensor

STDIN = "-"
"""A file of this name is what comes through a pipe."""


def version() -> str:
    """The version of the installed package."""
    try:
        return metadata.version("xpiler-tvm")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def common() -> argparse.ArgumentParser:
    """The options of every command."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--debug", action="store_true", help="show tracebacks of internal errors")
    return parser


def source() -> argparse.ArgumentParser:
    """The options that describe a kernel, its parameters and its launch."""
    source = argparse.ArgumentParser(add_help=False)
    source.add_argument(
        "file", metavar="FILE", help="the file that holds the kernel; - is standard input"
    )
    source.add_argument(
        "--dialect",
        metavar="DIALECT",
        help=f"{', '.join(DIALECTS)}; else told by the file's suffix",
    )
    source.add_argument("--entry", help="the kernel, or an instance: softmax, 'gemm<16>'")
    source.add_argument("--grid", metavar="X[,Y[,Z]]", help="blocks of the launch, as in 4 or 16x8")
    source.add_argument("--block", metavar="X[,Y[,Z]]", help="threads of a block")
    source.add_argument("--shared", metavar="BYTES", help="dynamic shared memory of the launch")
    source.add_argument("--tasks", metavar="X[,Y[,Z]]", help="tasks of a job of BANG C")
    source.add_argument("--kind", help=f"the job's type: {', '.join(KINDS)} (default: block)")
    source.add_argument(
        "--mode",
        choices=("strict", "lenient"),
        help="how BANG C is read: by the hardware's rules, or as public kernels mean it",
    )
    source.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="SPEC",
        help="a parameter of the kernel, in order: 'x:float32[64,64]', 'y:float32[512]:out', "
        "'x:float32[]' (extent inferred), 'n:int32=512', 'a:float32'",
    )
    source.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a value for an argument of the host wrapper, or for a scalar of the kernel",
    )
    source.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="NAME[=LEAST:MOST[:MULTIPLE]]",
        help="a name that stays symbolic in --param and --grid, as in --grid '(n + 255) / 256', or "
        "an argument of the host wrapper (of targets: cuda and hip)",
    )
    return source


def kernel_of(options: argparse.Namespace) -> Kernel:
    """The kernel that the options of `source` describe."""
    sizes = tuple(parse_size(spec) for spec in options.size)
    names = [size.name for size in sizes]
    params = tuple(parse_param(spec, names) for spec in options.param) or None
    launch, args = _launch(options, names), dict(parse_arg(spec) for spec in options.arg)
    entry, dialect = options.entry, options.dialect
    if options.file == STDIN:
        source, dialect = _standard_input(dialect)
        given = tuple(sorted(args.items()))
        kernel = Kernel(source, dialect, entry, params, launch, given, filename=name_of(STDIN))
    else:
        kernel = Kernel.from_file(
            options.file, dialect=dialect, entry=entry, params=params, launch=launch, args=args
        )
    return replace(kernel, mode=options.mode or kernel.mode, sizes=sizes)


def name_of(file: str) -> str:
    """What a file is called in reports, and what is written for it after."""
    return "stdin" if file == STDIN else Path(file).name


def _standard_input(dialect: Any) -> tuple[str, Any]:
    """The text on standard input, and its dialect."""
    if dialect is None:
        raise ReadError(
            "XP1012",
            "standard input has no suffix that tells its dialect",
            hint="name it, as in --dialect cuda",
        )
    try:
        return sys.stdin.buffer.read().decode("utf-8"), dialect
    except UnicodeDecodeError:
        raise ReadError("XP1001", "standard input is not UTF-8 text") from None


def _launch(options: argparse.Namespace, sizes: Collection[str]) -> Launch | None:
    tasks, kind = options.tasks, options.kind
    if tasks is not None:
        if options.grid is not None or options.block is not None:
            raise ReadError("XP1014", "--tasks is for BANG C, --grid and --block are for a GPU")
        return Launch(tasks=parse_extents("--tasks", tasks), kind=_kind(kind or "block"))
    if kind is not None:
        raise ReadError("XP1006", "--kind needs --tasks", hint="as in --tasks 4 --kind union1")
    if options.grid is None and options.block is None:
        if options.shared is not None:
            raise ReadError("XP1006", "--shared needs --grid and --block")
        return None
    if options.grid is None or options.block is None:
        missing = "--grid" if options.grid is None else "--block"
        raise ReadError(
            "XP1006", f"the launch lacks {missing}", hint="give both: --grid 4 --block 128"
        )
    shared = options.shared or "0"
    if not shared.isdigit():
        raise ReadError("XP1014", f"--shared {shared!r} is no number of bytes")
    return Launch(
        grid=parse_extents("--grid", options.grid, sizes),
        block=parse_extents("--block", options.block),
        shared_bytes=int(shared),
    )


def _kind(name: str) -> str:
    if name not in KINDS:
        raise ReadError("XP1014", f"--kind {name!r} is none", hint=f"one of {', '.join(KINDS)}")
    return name


def parse_extents(what: str, text: str, sizes: Collection[str] = ()) -> tuple[Extent, ...]:
    """`4`, `4,2,1` or `16x16` as a tuple of integers.

    Expressions in `sizes` are separated by commas: `(n + 255) / 256, m` is two extents.
    """
    words = [word.strip() for word in text.replace("x", ",").split(",")]
    if not all(word.isdigit() for word in words):
        words = [word.strip() for word in _OUTSIDE_PARENTHESES.split(text)]
    if not all(word.isdigit() or _is_expression(word, sizes) for word in words):
        raise ReadError(
            "XP1014",
            f"{what} {text!r} is malformed",
            hint="as in 4, 16x16 or 4,2,1 (x first); names are given as --size",
        )
    return tuple(map(checked, words))


def _is_expression(text: str, sizes: Collection[str]) -> bool:
    """Whether a text is an expression in sizes, and in nothing else."""
    try:
        names = names_of(text)
    except ReadError:
        return False
    return bool(names) and set(names) <= set(sizes)


_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")


def parse_size(spec: str) -> Size:
    """`n`, `n=1:4096` or `n=32:4096:32` as a size with its range and what it is a multiple of."""
    name, equals, text = spec.partition("=")
    words = text.split(":") if equals else []
    if len(words) not in (0, 2, 3) or not all(word.strip().isdigit() for word in words):
        raise ReadError(
            "XP1014", f"--size {spec!r} is malformed", hint="as in n, n=1:4096 or n=32:4096:32"
        )
    return Size(name.strip(), *(int(word) for word in words))


def parse_arg(spec: str) -> tuple[str, int | float]:
    """`n=512` as a pair."""
    name, equals, value = spec.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ReadError("XP1014", f"--arg {spec!r} is malformed", hint="as in --arg rows=4096")
    return name.strip(), _number(f"--arg {spec!r}", value)


def parse_param(spec: str, sizes: Collection[str] = ()) -> Param:
    """A parameter: `x:float32[64,64]:out` is a tensor, `n:int32=512` a scalar.

    Extents and values may be expressions in `sizes`.

    `x:float32[]` is a tensor whose extent is to be inferred, `a:float32` a scalar without a value.
    """
    what = f"--param {spec!r}"
    malformed = ReadError(
        "XP1014",
        f"{what} is malformed",
        hint="as in 'x:float32[64,64]', 'y:float32[512]:out', 'x:float32[]' or 'n:int32=512'",
    )
    name, *parts = (part.strip() for part in spec.split(":"))
    if not name.isidentifier() or len(parts) not in (1, 2):
        raise malformed
    kind, equals, value = parts[0].partition("=")
    dtype, bracket, extents = kind.partition("[")
    if not bracket:
        if len(parts) == 2:
            raise malformed
        if equals and _is_expression(value, sizes):
            return Scalar(name, dtype.strip(), equals=value.strip())
        return Scalar(name, dtype.strip(), _number(what, value) if equals else None)
    if not extents.endswith("]") or equals:
        raise malformed
    intent: Any = parts[1] if len(parts) == 2 else "in"
    inside = extents[:-1].strip()
    shape = parse_extents(what, inside, sizes) if inside else None
    return Tensor(name, shape, dtype.strip(), intent)


def _number(what: str, text: str) -> int | float:
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise ReadError("XP1014", f"{what}: {text!r} is no number") from None
