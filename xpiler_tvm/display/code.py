"""Source text with line numbers, and two texts side by side whose lines are linked.

A line of the source is linked through the spans of what was read of it: the arrays that the
statements with its place load from and store to. A line of a target is linked by the names of
arrays in it, which schedules and printers keep as stems (`x` -> `x_shared`, `x_nram`). To point at
a line, or at an array above, marks all lines that work on the same arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from .page import part, unique

if TYPE_CHECKING:
    from xpiler_tvm.frontends.program import Body
    from xpiler_tvm.lifting import Lifted

_STAGES = re.compile(r"^(in_thread|cross_thread|normal_reduce_temp\d*)_")
_WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_DECLARED = re.compile(r"__\w+__ [\w ]+(\[\d+\])+;")
"""An array outside of all functions, as BANG C declares memories."""
_BEFORE = 3
"""The most lines that are shown of what stands right above the kernel."""


class Line(NamedTuple):
    number: int
    text: str
    groups: str = ""


class Linked(NamedTuple):
    """A line, and the arrays of the source that it works on."""

    number: int
    text: str
    arrays: frozenset[str]


def listing(text: str) -> Markup:
    """A text with line numbers."""
    return part("code.html", lines=[Line(n, row) for n, row in enumerate(text.splitlines(), 1)])


def linked(lifted: Lifted, text: str) -> tuple[list[Linked], list[Linked]]:
    """The lines of the kernel and of `text`, what it became, with the arrays that both know."""
    places = _places(lifted)
    source = _source_lines(lifted, places)
    arrays = sorted({name for names in places.values() for name in names})
    target = _target_lines(text, arrays, _name_of(lifted))
    here, there = (set().union(*(one.arrays for one in side)) for side in (source, target))
    shared = here & there
    kept = ([one._replace(arrays=one.arrays & shared) for one in side] for side in (source, target))
    left, right = kept
    return left, right


def sides(lifted: Lifted, text: str, target: str) -> Markup:
    """The kernel's source beside `text`, what it became for a target."""
    source, result = linked(lifted, text)
    shared = sorted(set().union(*(one.arrays for one in source)))
    number = {name: str(index) for index, name in enumerate(shared)}

    def lines(side: Sequence[Linked]) -> list[Line]:
        return [
            Line(one.number, one.text, " ".join(sorted(number[name] for name in one.arrays)))
            for one in side
        ]

    return part(
        "sides.html",
        identity=unique(lifted.text, text),
        arrays=[(name, index * 360 // max(1, len(shared))) for index, name in enumerate(shared)],
        source=part("code.html", lines=lines(source)),
        text=part("code.html", lines=lines(result)),
        titles=(f"{lifted.kernel.entry}, {lifted.kernel.dialect}", target),
    )


def _places(lifted: Lifted) -> dict[int, set[str]]:
    """The arrays that the statements of each source line work on."""
    places: dict[int, set[str]] = {}
    for line, name in _uses(lifted.program.body):
        places.setdefault(line, set()).add(name)
    return places


def _uses(body: Body) -> Iterator[tuple[int, str]]:
    from xpiler_tvm.frontends.program import Branch, Loop, Region, Store, While
    from xpiler_tvm.tir import loads

    for statement in body:
        if isinstance(statement, Store):
            line = statement.span.line
            yield line, str(statement.buffer.name)
            yield from ((line, str(load.source.name)) for load in loads(statement.value))
        elif isinstance(statement, Loop | While | Region):
            yield from _uses(statement.body)
        elif isinstance(statement, Branch):
            yield from _uses((*statement.then, *statement.other))


def _name_of(lifted: Lifted) -> str:
    """The kernel's name without arguments of a template."""
    return (lifted.kernel.entry or "").partition("<")[0]


def _source_lines(lifted: Lifted, places: dict[int, set[str]]) -> list[Linked]:
    rows = lifted.kernel.source.splitlines()
    first, last = min(places, default=1), max(places, default=len(rows))
    name = _name_of(lifted)
    for number in range(min(first, len(rows)), 0, -1):
        if name and re.search(rf"\b{re.escape(name)}\b", rows[number - 1]):
            first = number
            break
    start, end = first, min(len(rows), last + 1)
    while start > max(1, first - _BEFORE) and rows[start - 2].strip():
        start -= 1
    return [Linked(n, rows[n - 1], frozenset(places.get(n, ()))) for n in range(start, end + 1)]


def _target_lines(text: str, arrays: Sequence[str], entry: str) -> list[Linked]:
    """The lines below the comment at the top, each with the arrays that it names.

    Functions before the kernel have parameters of their own, which may be called like arrays.
    """
    found = []
    rows = text.splitlines()
    begun = 0
    while begun < len(rows) and (rows[begun].startswith("//") or not rows[begun].strip()):
        begun += 1
    opening = re.compile(rf"\b{re.escape(entry)}\w*\s*\(")
    first = next((n for n in range(begun, len(rows)) if opening.search(rows[n])), begun)
    for number in range(begun, len(rows)):
        row = rows[number]
        code = row.partition("//")[0]
        inside = number >= first or _DECLARED.match(code)
        words = set(_WORD.findall(code)) if inside and not row.startswith("#") else set()
        names = frozenset(stem for word in words if (stem := _stem(word, arrays)))
        found.append(Linked(number + 1, row, names))
    return found


def _stem(word: str, arrays: Sequence[str]) -> str:
    """The array that a name was made of; the longest where several fit."""
    bare = _STAGES.sub("", word)
    fitting = [name for name in arrays if bare == name or bare.startswith(f"{name}_")]
    return max(fitting, key=len, default="")
