"""Which iteration wrote an element: inverting store indices.

An index `base + c1*v1 + … + cn*vn` whose strides do not overlap (each `c` exceeds the reach of all
smaller ones) is a number in mixed radix, so `v1 = (t - base) // c1`, `v2 = rest // c2`, …
An index that divides a number of its unknowns is inverted in two steps, by way of its digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import tvm_ffi
from tvm import sym, tirx
from tvm.tirx import FloorDiv, FloorMod

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from .proving import settled

Axis = tuple[Var, int]


@dataclass(frozen=True, eq=False)
class Solution:
    """`values` of the unknowns, and what must hold for them to exist; free ones are missing."""

    values: dict[Var, Expr]
    conditions: tuple[Expr, ...]


def linear(index: Expr, unknowns: list[Var]) -> tuple[list[int], Expr] | None:
    """Constant coefficients of the unknowns and the rest of the index."""
    if not unknowns:
        return [], index
    found = list(sym.detect_linear_equation(index, unknowns))
    if not found:
        return None
    *coefficients, base = found
    constants = [tir.as_const(c) for c in coefficients]
    if any(c is None for c in constants) or tir.uses(base, unknowns):
        return None
    return [c for c in constants if c is not None], base


def strides(index: Expr, unknowns: list[Axis]) -> list[tuple[int, Axis]] | None:
    """The strides of a mixed-radix index, largest first; `None` where two overlap."""
    found = linear(index, [var for var, _ in unknowns])
    if found is None:
        return None
    used = [
        (abs(c), axis) for c, axis in zip(found[0], unknowns, strict=True) if c != 0 and axis[1] > 1
    ]
    used.sort(key=lambda item: -item[0])
    reach = 0
    for stride, (_, extent) in reversed(used):
        if stride <= reach:
            return None
        reach += stride * (extent - 1)
    return used


def injective(index: Expr, axes: list[Axis], analyzer: Any = None) -> bool:
    """Whether different points of the axes (of extent over 1) have different indices.

    `analyzer` may know more of the axes: of `27*y + 8*b + t` with `8*b + t < 27` the last two are
    one digit. `t//3*64 + t%3` is different where `t` is.
    """
    wide = [axis for axis in axes if axis[1] > 1]
    digits = _in_digits(index, wide)
    if digits is not None:
        inside = [axis for axis in wide if axis not in digits.others]
        apart = [*digits.digits, *digits.others]
        return injective(digits.of, inside, analyzer) and injective(digits.index, apart, analyzer)
    used = strides(index, axes)
    if used is not None:
        return len(used) == len(wide)
    found = linear(index, [var for var, _ in wide])
    if found is None or analyzer is None or 0 in found[0]:
        return False
    pairs = sorted(zip(found[0], wide, strict=True), key=lambda item: -abs(item[0]))
    return reach_of(pairs, analyzer) is not None


def reach_of(pairs: list[tuple[int, Axis]], analyzer: Any) -> int | None:
    """How far the digits reach together, if each stride exceeds the reach of all smaller ones.

    The strides come largest first; an analyzer may know that digits go together no further than
    their extents say.
    """
    part: Expr = tir.const(0, "int32")
    reach = 0
    for c, (var, extent) in reversed(pairs):
        if abs(c) <= reach:
            return None
        part = part + (var if c > 0 else extent - 1 - var) * abs(c)
        high = tir.bounds(analyzer, analyzer.simplify(part))[1]
        reach = min(high, reach + abs(c) * (extent - 1))
    return reach


def upper_bound(test: Expr) -> tuple[Var, int] | None:
    """`(v, n)` where the test says `v < n`."""
    if not isinstance(test, (tirx.LT, tirx.LE)) or not isinstance(test.a, tirx.Var):
        return None
    limit = tir.as_const(test.b)
    return None if limit is None else (test.a, limit + isinstance(test, tirx.LE))


def fixed_digits(test: Expr, axes: list[Axis]) -> dict[Var, int]:
    """Variables that a test on a mixed-radix number leaves one value.

    16*a + 8*b + c == 3    ->    a = 0, b = 0, c = 3
    16*a + 8*b + c < 8     ->    a = 0, b = 0
    """
    if not isinstance(test, (tirx.EQ, tirx.LT, tirx.LE)) or tir.has_load(test):
        return {}
    limit = tir.as_const(test.b)
    names = tir.variables(test.a)
    extents = dict(axes)
    if limit is None or not names or any(var not in extents for var in names):
        return {}
    used = strides(test.a, [(var, extents[var]) for var in names])
    found = linear(test.a, names)
    base = tir.as_const(found[1]) if found is not None else None
    if used is None or found is None or base is None or min(found[0]) < 0:
        return {}
    left = limit - base
    fixed: dict[Var, int] = {}
    if isinstance(test, tirx.EQ):
        for stride, (var, extent) in used:
            fixed[var] = left // stride
            left -= fixed[var] * stride
            if not 0 <= fixed[var] < extent:
                return {}
        return fixed if left == 0 else {}
    most = left - 1 if isinstance(test, tirx.LT) else left
    return {var: 0 for stride, (var, _) in used if 0 <= most < stride}


def quotient(value: Expr, divisor: int, analyzer: Any) -> tuple[Expr, Expr]:
    """`value // divisor` and the remainder.

    Terms that the divisor divides are set apart first: of `16*b + 8 - 8*c + l` with `c < 2` and
    `l < 8` the quotient by 16 is `b`, which TVM's normal form of the sum hides.
    """
    if divisor == 1:
        return value, tir.const(0, tir.dtype_of(value))
    names = tir.variables(value)
    found = linear(value, names)
    constant = tir.as_const(found[1]) if found is not None else None
    if found is not None and constant is not None:
        whole, part = tir.const(0, tir.dtype_of(value)), tir.const(constant, tir.dtype_of(value))
        for c, var in zip(found[0], names, strict=True):
            if c % divisor == 0:
                whole = whole + var * (c // divisor)
            else:
                part = part + var * c
        low, high = tir.bounds(analyzer, part)
        if low // divisor == high // divisor:
            shift = low // divisor
            return analyzer.simplify(whole + shift), analyzer.simplify(part - shift * divisor)
    return (
        analyzer.simplify(tirx.floordiv(value, divisor)),
        analyzer.simplify(tirx.floormod(value, divisor)),
    )


def solve(
    index: Expr,
    target: Expr,
    unknowns: list[Axis],
    analyzer: Any,
    tests: Sequence[Expr] = (),
) -> Solution | None:
    """The unknowns for which `index == target`; `None` where the index cannot be taken apart.

    `analyzer` knows the other variables. Only points where the `tests` hold are asked for: the
    caller checks that they do. Unknowns that the index does not use are left out.
    """
    digits = _in_digits(index, unknowns)
    if digits is not None:
        return _through_digits(digits, target, unknowns, analyzer, tests)
    found = linear(index, [var for var, _ in unknowns])
    if found is None:
        return None
    coefficients, base = found
    used = [(c, axis) for c, axis in zip(coefficients, unknowns, strict=True) if c != 0]
    values: dict[Var, Expr] = {
        var: tir.const(0, tir.dtype_of(var)) for _, (var, extent) in used if extent == 1
    }
    pairs = [(c, axis) for c, axis in used if axis[1] > 1]
    pairs.sort(key=lambda pair: -abs(pair[0]))
    if not _is_mixed_radix(pairs, tests):
        return None
    conditions: list[Expr] = []
    # A negative stride counts its digit from the other end.
    for c, (_, extent) in pairs:
        if c < 0:
            base = base + c * (extent - 1)
    rest = settled(analyzer.simplify(target - base), analyzer)
    for position, (c, (var, extent)) in enumerate(pairs):
        stride = abs(c)
        digit, left = quotient(rest, stride, analyzer)
        if position == 0:
            conditions.append(digit >= 0)
        conditions.append(digit < extent)
        values[var] = digit if c > 0 else analyzer.simplify(extent - 1 - digit)
        rest = left
    conditions.append(tirx.EQ(rest, tir.const(0, tir.dtype_of(rest))))
    return Solution(values, _open(conditions, analyzer))


def _open(conditions: list[Expr], analyzer: Any) -> tuple[Expr, ...]:
    """The conditions that do not always hold."""
    remaining = []
    for condition in conditions:
        simple = analyzer.simplify(condition)
        if tir.as_const(simple) == 1 or analyzer.can_prove(condition):
            continue
        remaining.append(simple)
    return tuple(remaining)


def _is_mixed_radix(pairs: list[tuple[int, Axis]], tests: Sequence[Expr]) -> bool:
    """Whether each stride exceeds the reach of all smaller ones where the tests hold.

    Of `5*a + 4*b + c` with `4*b + c < 5` the last two are one digit.
    """
    with _knowing([axis for _, axis in pairs], tests) as analyzer:
        return reach_of(pairs, analyzer) is not None


@contextmanager
def _knowing(axes: list[Axis], tests: Sequence[Expr]) -> Iterator[Any]:
    analyzer = tir.analyzer_for(dict(axes))
    with ExitStack() as stack:
        for test in tests:
            if not tir.has_load(test):
                stack.enter_context(analyzer.constraint_scope(test))
        yield analyzer


@dataclass(frozen=True, eq=False)
class _Digits:
    """`index`, over `digits` of the number `whole` in place of `of`, an expression of unknowns."""

    index: Expr
    of: Expr
    whole: Expr
    digits: list[Axis]
    others: list[Axis]


def _in_digits(index: Expr, unknowns: list[Axis]) -> _Digits | None:
    """An index that takes one number of its unknowns apart, over the digits of that number.

    t//20*24 + t%20,  t = 16*y + x     ->    24*d0 + d1,  t = 20*d0 + d1
    """
    names = [var for var, _ in unknowns]
    divisors: dict[Expr, set[int]] = {}

    def visit(node: Expr) -> None:
        number, divisor, scale = node.a, tir.as_const(node.b), 1
        while isinstance(number, (FloorDiv, FloorMod)) and tir.as_const(number.b):
            if isinstance(number, FloorDiv):
                scale *= tir.as_const(number.b) or 1
            number = number.a
        if divisor is None or not tir.uses(number, names):
            return
        found = next((one for one in divisors if tir.same(one, number)), number)
        divisors.setdefault(found, set()).update({divisor * scale, scale} - {1})

    for kind in (FloorDiv, FloorMod):
        tvm_ffi.structural_walk(index, [(kind, visit)], order="pre")
    for number, steps in divisors.items():
        found = linear(number, names)
        ladder = sorted(steps, reverse=True)
        if found is None or any(a % b for a, b in pairwise(ladder)):
            continue
        inside = [axis for axis, c in zip(unknowns, found[0], strict=True) if c]
        unit = next((v for v, c in zip(names, found[0], strict=True) if c == 1), None)
        low, high = tir.bounds(tir.analyzer_for(dict(unknowns)), number)
        if unit is None or low != 0 or high >= tir.INT_INF:
            continue
        digits, whole = _digits_of(high + 1, ladder)
        with _knowing([*digits, *unknowns], ()) as analyzer:
            moved = tir.substitute(index, {unit: whole - analyzer.simplify(number - unit)})
            moved = analyzer.simplify(moved)
        if tir.uses(moved, [var for var, _ in inside]):
            continue
        others = [axis for axis in unknowns if axis not in inside]
        return _Digits(moved, number, whole, digits, others)
    return None


def _digits_of(count: int, ladder: list[int]) -> tuple[list[Axis], Expr]:
    """Digits of the numbers below `count`, and the number they make."""
    digits: list[Axis] = []
    whole: Expr = tir.const(0, "int32")
    above = count
    for step in (*ladder, 1):
        digit = tirx.Var(f"d{len(digits)}", "int32")
        digits.append((digit, -(-above // step)))
        whole = whole + digit * step
        above = step
    return digits, whole


def _through_digits(
    found: _Digits, target: Expr, unknowns: list[Axis], analyzer: Any, tests: Sequence[Expr]
) -> Solution | None:
    digits = solve(found.index, target, [*found.digits, *found.others], analyzer)
    if digits is None:
        return None
    only = {var: tir.const(0, "int32") for var, extent in found.digits if extent == 1}
    known = {**only, **digits.values}
    if any(var not in known for var, _ in found.digits):
        return None
    number = analyzer.simplify(tir.substitute(found.whole, known))
    inside = [axis for axis in unknowns if axis not in found.others]
    rest = solve(found.of, number, inside, analyzer, tests)
    if rest is None:
        return None
    values = {var: value for var, value in digits.values.items() if var not in dict(found.digits)}
    return Solution({**values, **rest.values}, (*digits.conditions, *rest.conditions))
