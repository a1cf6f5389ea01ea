"""What may stand in the place of a site, the nearest to the text first.

e + k, e * k, e / k, k        another number
v, v + k                      another name of the scope
e + v, e - v, e * v, x * v    a summand or factor that was left out
x op y                        another operator, the operands exchanged
z * y + x for x * y + z       a product that took the wrong operand
i++ for n++ and for i--       the step of a loop
v < w                         a guard that was left out
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .holes import ITSELF, PARTS, Fill
from .sites import ARITHMETIC, COMPARISONS, Site

# Sizes of elements: a count of bytes differs from one of elements by such a factor.
_WIDTHS = (2, 4, 8)
_FARTHEST = 1 << 16
_NEAREST = 4
_STEPS = (2, 3, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Change:
    """A site, what may stand there, and how far from the text that is."""

    site: Site
    fill: Fill
    cost: float


def numbers_of(text: str, sizes: Sequence[int]) -> list[int]:
    """Numbers that an expression may hold: those of the text, and the kernel's sizes."""
    found = [int(one) for one in re.findall(r"(?<![\w.])\d{1,6}(?![\w.])", text)]
    return sorted({one for one in [*found, *sizes] if 1 < one < 1 << 24})


def changes(site: Site, numbers: Sequence[int]) -> Iterator[Change]:
    """Every change of one site."""
    make = _conditions if site.is_condition else _integers
    if site.is_pointer:
        make = _offsets
    elif site.is_assignment:
        make = _steps
    seen: set[Fill] = {Fill()}
    for cost, fill in make(site, numbers):
        if fill not in seen:
            seen.add(fill)
            yield Change(site, fill, cost)


def ordered(sites: Sequence[Site], numbers: Sequence[int]) -> list[Change]:
    """Every change of all sites: by cost, then by place."""
    found = [change for site in sites for change in changes(site, numbers)]
    return sorted(found, key=lambda one: (one.cost, one.site.number))


def _conditions(site: Site, numbers: Sequence[int]) -> Iterator[tuple[float, Fill]]:
    operator = site.node.operator
    if operator in COMPARISONS:
        first, second = 1, 2
        for other in _near(operator):
            yield 1.0, Fill(operator=other, x=first, y=second)
        for other in COMPARISONS:
            yield 2.0, Fill(operator=other, x=first, y=second)
    if site.node.kind == "CXX_BOOL_LITERAL_EXPR" or operator in ("&&", "||"):
        if operator:
            return
        yield 2.0, Fill(times=0, plus=int(site.text == "false"))
        for x in range(len(site.names)):
            for y in range(len(site.names)):
                if x != y:
                    yield 2.5, Fill(operator="<", x=_name(x), y=_name(y))
                    yield 3.5, Fill(operator="<", x=_name(x), y=_name(y), plus=-1)
                    yield 3.5, Fill(operator=">=", x=_name(x), y=_name(y))
            for number in numbers:
                yield 3.0, Fill(operator="<", x=_name(x), y=0, plus=number - 1)
            yield 3.0, Fill(operator="==", x=_name(x), y=0, plus=-1)


def _near(operator: str) -> tuple[str, ...]:
    near = {"<": ("<=",), "<=": ("<",), ">": (">=",), ">=": (">",), "==": ("!=",), "!=": ("==",)}
    return near[operator]


def _steps(site: Site, numbers: Sequence[int]) -> Iterator[tuple[float, Fill]]:
    for number in range(len(site.alternatives)):
        yield 1.1, Fill(alternative=1 + number)
    if site.is_step:
        yield from _integers(site, numbers)


def _integers(site: Site, numbers: Sequence[int]) -> Iterator[tuple[float, Fill]]:
    node = site.node
    literal = node.kind == "INTEGER_LITERAL" or site.is_step
    compound = node.kind == "BINARY_OPERATOR"
    for k in (-1, 1):
        yield 1.0, Fill(plus=k)
    for k in _STEPS:
        yield 2.0 + k / 1000, Fill(plus=k)
        yield 2.0 + k / 1000, Fill(plus=-k)
    for k in _WIDTHS:
        yield 1.8, Fill(times=k)
        yield 1.8, Fill(divide=k)
    named = node.kind in ("DECL_REF_EXPR", "MEMBER_REF_EXPR")
    base = site.text.split(".")[0]
    for place, name in enumerate(site.names):
        near = named and "." in site.text and name.startswith(base + ".")
        cost = 1.0 if near else 1.6 if named else 2.4
        yield cost, Fill(times=0, weight=1, z=_name(place))
        yield cost + 1.0, Fill(times=0, weight=1, z=_name(place), plus=1)
        yield cost + 1.0, Fill(times=0, weight=1, z=_name(place), plus=-1)
    for k in numbers:
        yield (1.5 if literal else 2.2), Fill(times=0, plus=k)
    yield 2.2, Fill(times=0, plus=0)
    yield 2.2, Fill(times=0, plus=1)
    if compound:
        yield from _operations(site)
    if literal:
        for k in range(-40, 41):
            yield 2.5 + abs(k) / 1000, Fill(plus=k)
    for place in _left_out(site):
        yield 1.65, Fill(weight=1, z=_name(place))
    for place in range(len(site.names)):
        yield 2.6, Fill(weight=1, z=_name(place))
        yield 2.6, Fill(weight=-1, z=_name(place))
        yield 2.7, Fill(times=0, scale=1, x=ITSELF, y=_name(place))
    for place in range(len(site.names)):
        for k in numbers:
            yield 3.2, Fill(weight=k, z=_name(place))
        for other in range(place, len(site.names)):
            yield 3.4, Fill(scale=1, x=_name(place), y=_name(other))


def _offsets(site: Site, numbers: Sequence[int]) -> Iterator[tuple[float, Fill]]:
    """What may be added to a pointer: a name times another, or times a number."""
    products = {a * b for a in numbers for b in numbers}
    quotients = {a // b for a in numbers for b in numbers if a % b == 0}
    sizes = sorted(one for one in {*numbers, *products, *quotients} if 1 < one < _FARTHEST)
    for place in _left_out(site):
        yield 1.65, Fill(weight=1, z=_name(place))
    for place in range(len(site.names)):
        yield 1.9, Fill(weight=1, z=_name(place))
        for other in range(place, len(site.names)):
            yield 2.0, Fill(scale=1, x=_name(place), y=_name(other))
    for k in numbers:
        yield 2.1, Fill(plus=k)
        yield 2.1, Fill(plus=-k)
    for place in range(len(site.names)):
        for k in sizes:
            yield 2.3, Fill(weight=k, z=_name(place))


def _operations(site: Site) -> Iterator[tuple[float, Fill]]:
    """Other operators on the same operands."""
    operator = site.node.operator
    left, right = 1, 2
    if len(site.parts) == PARTS:
        # x * y + z: the first part is the product, wherever it stands.
        rest, x, y = 2, 3, 4
        if site.parts[0].start > site.parts[1].start:
            left, right = right, left
        yield 1.2, Fill(times=0, scale=1, x=rest, y=y, weight=1, z=x)
        yield 1.2, Fill(times=0, scale=1, x=rest, y=x, weight=1, z=y)
    if operator not in ARITHMETIC:
        return
    yield 1.3, Fill(operator=operator, x=right, y=left)
    for other in ARITHMETIC:
        if other != operator:
            yield 1.4, Fill(operator=other, x=left, y=right)
    yield 1.5, Fill(times=0, weight=1, z=left)
    yield 1.5, Fill(times=0, weight=1, z=right)


def _left_out(site: Site) -> Iterator[int]:
    """The nearest variables that an index does not mention, by their places among the names."""
    if site.kind == "index":
        for place, name in enumerate(site.names[:_NEAREST]):
            if not re.search(rf"\b{re.escape(name)}\b", site.text):
                yield place


def _name(place: int) -> int:
    """The number of a name of the scope among the operands."""
    return 1 + PARTS + place
