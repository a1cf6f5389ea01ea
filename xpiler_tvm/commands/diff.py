"""`xpiler diff`: two kernels as the programs that they are, or one beside its translation."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher, unified_diff
from itertools import zip_longest
from typing import TYPE_CHECKING

from ..errors import ReadError
from . import arguments, command, progress
from .check import add_second, other_kernel
from .ending import FOUND
from .translate import parse_targets

if TYPE_CHECKING:
    from ..display.code import Linked
    from ..kernel import Kernel
    from . import Commands

CONTEXT = 3
GAP = " | "


def add(commands: Commands) -> None:
    """Register the command."""
    diff = command(
        commands,
        "diff",
        _diff,
        summary="show where two kernels differ as programs, or a kernel beside its translation",
        examples=("diff softmax.cu softmax.mlu", "diff examples/softmax.cu --to hip"),
        description="With two files, of any dialects: lift both, and print the difference of their "
        "TensorIR, in which names do not count; the exit code is 1 where there is one. With --to: "
        "print the file beside what it becomes, lines that work on the same arrays together.",
        parents=[arguments.source(), arguments.common()],
    )
    diff.add_argument("other", nargs="?", metavar="FILE", help="a second file")
    diff.add_argument("--to", metavar="TARGET", help="a target, in place of a second file")
    diff.add_argument("--arch", help=argparse.SUPPRESS)
    add_second(diff)


def _diff(options: argparse.Namespace) -> int:
    if (options.other is None) == (options.to is None):
        raise ReadError("XP1014", "a kernel differs from a second file, or from its form --to …")
    first, second = arguments.kernel_of(options), other_kernel(options)
    if second is None:
        return _beside(options, first)
    from tvm_ffi import structural_equal

    from ..lifting import lift
    from ..pairing import pair

    with progress.shown("lifting both", quiet=options.json):
        both = [lift(subject.kernel) for subject in pair(first, second)]
    names = [arguments.name_of(each.kernel.filename) for each in both]
    bodies = (each.mod["main"].without_attr("global_symbol") for each in both)
    lines: list[str] = []
    if not structural_equal(*bodies):
        left, right = (str(each.mod["main"].script(show_meta=False)) for each in both)
        right = _renamed(right, both[1].kernel, both[0].kernel)
        a, b = left.splitlines(), right.splitlines()
        lines += unified_diff(a, b, names[0], names[1], n=CONTEXT, lineterm="")
    if options.json:
        print(json.dumps({"files": names, "equal": not lines, "diff": lines}, indent=2))
    else:
        _show(lines)
    return FOUND if lines else 0


def _renamed(script: str, kernel: Kernel, like: Kernel) -> str:
    """A program under the names that another kernel has for the same parameters."""
    pairs = zip(kernel.params or (), like.params or (), strict=True)
    names = {mine.name: theirs.name for mine, theirs in pairs}
    return re.sub(r"[^\W\d]\w*", lambda word: names.get(word[0], word[0]), script)


def _show(lines: Sequence[str]) -> None:
    if not sys.stdout.isatty():
        print("".join(f"{line}\n" for line in lines), end="")
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax("\n".join(lines), "diff", background_color="default", word_wrap=True))


# ---------------------------------------------------------------- a kernel and its translation


def _beside(options: argparse.Namespace, kernel: Kernel) -> int:
    targets = parse_targets(options.to)
    if len(targets) != 1:
        raise ReadError("XP1012", f"--to {options.to!r} is more than one target")
    from ..display.code import linked
    from ..translation import transcompile

    with progress.shown(f"{kernel.filename} -> {targets[0]}", quiet=options.json):
        result = transcompile(kernel, targets[0])
        both = linked(result.lifted, result.source)
    if options.json:
        print(json.dumps({
            "target": targets[0],
            "source": [_as_dict(one) for one in both[0]],
            "result": [_as_dict(one) for one in both[1]],
        }, indent=2))  # fmt: skip
        return 0
    width = shutil.get_terminal_size((160, 24)).columns
    for left, right in _rows(*both):
        print(_columns(left, right, width))
    return 0


def _as_dict(line: Linked) -> dict[str, object]:
    return {"line": line.number, "text": line.text, "arrays": sorted(line.arrays)}


def _rows(
    left: Sequence[Linked], right: Sequence[Linked]
) -> Iterator[tuple[Linked | None, Linked | None]]:
    """Lines beside each other where both work on the same arrays, in order."""
    first, second = ([_key(one) for one in side] for side in (left, right))
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        if kind == "equal":
            yield from zip(left[i:i_end], right[j:j_end], strict=True)
        else:
            yield from zip_longest(left[i:i_end], right[j:j_end])


def _key(line: Linked) -> str:
    """The same for lines that belong beside each other."""
    return ", ".join(sorted(line.arrays)) or line.text.strip()


def _columns(left: Linked | None, right: Linked | None, width: int) -> str:
    room = (width - len(GAP)) // 2
    sides = [
        f"{one.number:>4} {one.text}".expandtabs(4) if one is not None else ""
        for one in (left, right)
    ]
    cut = [text if len(text) <= room else f"{text[: room - 1]}…" for text in sides]
    return f"{cut[0]:<{room}}{GAP}{cut[1]}".rstrip()
