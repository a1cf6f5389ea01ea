"""Stores with their surroundings, in program order: what reads are traced back to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import Loop, Store
from .invert import fixed_digits, upper_bound
from .refusal import Unraisable
from .regions import Run
from .tensors import Axis, Tensor, knowing


@dataclass(frozen=True, eq=False)
class Condition:
    """A test on data, and where it stands: it sees what was stored before it, not after."""

    test: Expr
    loops: tuple[Loop, ...]
    guard: tuple[Expr, ...]
    position: int


@dataclass(frozen=True, eq=False)
class Part:
    """A run of a region: stores of what it finds, by array, and the conditions it stands under."""

    run: Run
    found: Mapping[Buffer, Write]
    data: tuple[Condition, ...]


@dataclass(eq=False)
class Write:
    """A store with its surroundings. `private` loops enclose the array's life.

    `inner` axes are those of an element that is read in place of a store.

    `tensor` is what it stores, and `reduced` the loops that it accumulates over, both once the
    store is defined. `scattered` is an index from memory, over tensors. An iteration of
    the first `scope` loops that did not store may leave anything. A store of what a region leaves
    is `part` of it; one of what it finds `may_lack` elements that nothing stored.
    """

    store: Store
    loops: tuple[Loop, ...]
    guard: tuple[Expr, ...]
    private: int
    position: int
    data: tuple[Condition, ...] = ()
    tensor: Tensor | None = None
    reduced: tuple[Loop, ...] = field(default=())
    scattered: Expr | None = None
    scope: int | None = None
    inner: tuple[Axis, ...] = ()
    part: Part | None = None
    may_lack: bool = False

    @property
    def axes(self) -> list[Axis]:
        return [*((loop.var, extent_of(loop)) for loop in self.loops), *self.inner]


def extent_of(loop: Loop) -> int:
    extent = tir.as_const(loop.extent)
    if extent is None:
        raise Unraisable("a loop's length is not a constant", loop.span)
    return extent


def common(left: tuple[Loop, ...], right: tuple[Loop, ...]) -> int:
    """How many outermost loops two statements share."""
    count = 0
    for a, b in zip(left, right, strict=False):
        if a is not b:
            break
        count += 1
    return count


def tightened(
    loops: list[Loop], guard: tuple[Expr, ...]
) -> tuple[dict[Var, int], dict[Var, Expr], list[Expr]]:
    """Extents after guards like `v < c`, variables of which one value is left, and the other
    guards."""
    extents = {loop.var: extent_of(loop) for loop in loops}
    pinned: dict[Var, Expr] = {}
    rest: list[Expr] = []
    for test in guard:
        bound = upper_bound(test)
        if bound is not None and bound[0] in extents:
            extents[bound[0]] = min(extents[bound[0]], bound[1])
            continue
        fixed = fixed_digits(test, list(extents.items()))
        for var, value in fixed.items():
            pinned[var] = tir.const(value, "int32")
            extents[var] = 1
        if not fixed or not isinstance(test, tirx.EQ):
            rest.append(test)
    if rest:
        with knowing(extents.items(), rest) as analyzer:
            for var in extents:
                low, high = tir.bounds(analyzer, var)
                if low == high and var not in pinned:
                    pinned[var] = tir.const(low, "int32")
                    extents[var] = 1
    for var, extent in extents.items():
        if extent == 1 and var not in pinned:
            pinned[var] = tir.const(0, "int32")
    return extents, pinned, rest
