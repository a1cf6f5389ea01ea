"""The place of an extremum that a loop keeps, as a reduction over places.

    if x[t] > m: k = p(t)                                  ->    min(t) (x[t] == M ? p(t) : none)
    if x[t] > m or (x[t] == m and p(t) < k): k = p(t)      ->    the same

M being the last m, which is max(t) x[t]. In the first of these, p must grow with the steps, so
that the first step has the least place; the last step has the greatest, and where p falls it is the
other way round.

What the loop starts from counts as one step more where it is that: m = x[0], k = 0, and then the
steps from 1 on. Else it is what is kept where no step has a place, which is so where the extremum
is not beyond the first value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from .joins import joined
from .tensors import IDENTITY, Axis, Tensor, is_identity, knowing, simplified


@dataclass(frozen=True, eq=False)
class Place:
    """`op` of `value` over `axes`; where that is `none`, the place is `start`."""

    op: str
    axes: tuple[Axis, ...]
    value: Expr
    none: Expr
    start: Expr | None


@dataclass(frozen=True, eq=False)
class Steps:
    """An extremum (`op`) of the terms from `init` on, at the points of `axes` where the guards
    hold; `last` is what comes out."""

    op: str
    axes: tuple[Axis, ...]
    term: Expr
    init: Expr
    guards: tuple[Expr, ...]
    last: Expr

    @property
    def beyond(self) -> Expr:
        """The test that the extremum is not its first value."""
        return self.last > self.init if self.op == "max" else self.last < self.init

    @property
    def is_endless(self) -> bool:
        """Whether it starts from an infinity, or the number that stands for it: numbers are
        beyond that."""
        return "float" in tir.dtype_of(self.init) and is_identity(self.op, self.init)


@dataclass(frozen=True, eq=False)
class Kept:
    """The `place` of each step, and the one before the first."""

    place: Expr
    start: Expr


def place_of(steps: Steps, is_last: bool, kept: Kept, analyzer: Any) -> Place | None:
    """The place of the first (or last) step whose term is the extremum, if they grow or fall."""
    if not _are_places(kept):
        return None
    places = _Places(steps, kept, analyzer)
    grows = places.grow()
    if grows is None:
        return None
    beyond = None if is_last or steps.is_endless else steps.beyond
    return places.over("max" if is_last == grows else "min", beyond)


def least_place(steps: Steps, op: str, kept: Kept, analyzer: Any) -> Place | None:
    """The least (or greatest) place of the steps whose term is the extremum."""
    if not _are_places(kept):
        return None
    beyond = None
    if not steps.is_endless and not _Places(steps, kept, analyzer, is_least=True).first_steps():
        # The first value has a place that is never taken where it equals a term, or always.
        low, high = tir.bounds(analyzer, analyzer.simplify(kept.place - kept.start))
        if not (high <= 0 if op == "min" else low >= 0):
            beyond = steps.beyond
            if not (low >= 0 if op == "min" else high <= 0):
                return None
    return _Places(steps, kept, analyzer, is_least=True).over(op, beyond)


def number(expr: Expr, tensor: Tensor, producers: Mapping[Buffer, Tensor]) -> Expr:
    """An expression of a tensor over its axes alone, as far as what it reads are such numbers."""

    def at(load: Expr) -> Expr:
        producer = producers.get(load.source)
        if producer is None or not producer.plain or tir.has_load(producer.value):
            return load
        point = {var: index for (var, _), index in zip(producer.axes, load.indices, strict=False)}
        return tir.substitute(producer.value, point)

    return joined(tir.map_loads(expr, at), tensor)


def _are_places(kept: Kept) -> bool:
    return tir.is_int(kept.place) and tir.dtype_of(kept.place) != "bool"


def chosen(tests: Sequence[Expr], place: Expr, none: Expr) -> Expr:
    """A place where the tests hold; those that read arrays are computed where the others hold.

    TVM would make one test of two `if_then_else`, and compute all of it.
    """
    reading = [test for test in tests if tir.has_load(test)]
    if reading:
        place = tirx.Select(tir.conjunction(reading), place, none)
    plain = [test for test in tests if not tir.has_load(test)]
    return tirx.if_then_else(tir.conjunction(plain), place, none) if plain else place


@dataclass(frozen=True, eq=False)
class _Places:
    """Where `is_least`, the order of the steps does not matter."""

    steps: Steps
    kept: Kept
    analyzer: Any
    is_least: bool = False

    def over(self, op: str, beyond: Expr | None) -> Place | None:
        """`op` of the places at which the extremum stands, or the first one where there is none or
        the extremum is not `beyond` the first value."""
        axes, place = self.steps.axes, self.kept.place
        tests = (*self.steps.guards, tirx.EQ(self.steps.term, self.steps.last))
        none = IDENTITY[op](tir.dtype_of(place))
        first = self.first_steps()
        if not first:
            low, high = tir.bounds(self.analyzer, place)
            if not (low > int(none.value) if op == "max" else high < int(none.value)):
                return None
            whole = [*tests, *([] if beyond is None else [beyond])]
            return Place(op, axes, chosen(whole, place, none), none, self.kept.start)
        if tir.as_const(first[0]) == -1:
            ((var, extent),) = axes
            longer = tirx.Var(var.name, "int32")
            axes = ((longer, extent + 1),)
            shifted = {var: longer - 1}
            tests = tuple(tir.substitute(test, shifted) for test in tests)
            with knowing(axes) as analyzer:
                place = simplified(analyzer, tir.substitute(place, shifted))
        return Place(op, axes, chosen(tests, place, none), none, None)

    def grow(self) -> bool | None:
        """Whether places grow from each step to the next, or fall; `None` where neither."""
        found: list[bool] = []
        axes, place = self.steps.axes, self.kept.place
        for number, (var, extent) in enumerate(axes):
            if extent == 1:
                continue
            inner = axes[number + 1 :]
            ends: dict[Var, Expr] = {v: tir.const(e - 1, "int32") for v, e in inner}
            begins: dict[Var, Expr] = {v: tir.const(0, "int32") for v, _ in inner}
            step = tir.substitute(place, {var: var + 1, **begins}) - tir.substitute(place, ends)
            low, high = tir.bounds(self.analyzer, self.analyzer.simplify(step))
            if low <= 0 <= high:
                return None
            found.append(low > 0)
        return found[0] if found and all(one == found[0] for one in found) else None

    def first_steps(self) -> list[Expr]:
        """The steps, among them the one before the first, of which value and place are what the
        loop starts from."""
        steps, kept = self.steps, self.kept
        if len(steps.axes) != 1:
            return []
        ((var, extent),) = steps.axes
        candidates: list[Expr] = [tir.const(-1, "int32"), tir.const(0, "int32")]
        if self.is_least:
            candidates += [
                one
                for one in tir.variables(kept.start)
                if not one.same_as(var) and _is_below(self.analyzer, one, extent)
            ]
        return [one for one in candidates if self._starts_from(one)]

    def _starts_from(self, step: Expr) -> bool:
        steps, kept = self.steps, self.kept
        ((var, _),) = steps.axes

        def at(expr: Expr) -> Expr:
            return simplified(self.analyzer, tir.substitute(expr, {var: step}))

        return (
            all(tir.as_const(at(test)) == 1 for test in steps.guards)
            and tir.same(at(steps.term), at(steps.init))
            and tir.same(at(kept.place), at(kept.start))
        )


def _is_below(analyzer: Any, step: Expr, extent: int) -> bool:
    low, high = tir.bounds(analyzer, step)
    return low >= 0 and high < extent
