"""Recurrences that are reductions.

    s = a; for t: s = s + x[t]                    ->    s = a + sum(t) x[t]
    s = a; for t: s = x[t] > s ? x[t] : s         ->    s = max(a, max(t) x[t])
    s = a; for t: s = c[t] ? x[t] : s             ->    k = max(t) (c[t] ? t : -1);
                                                        s = k >= 0 ? x[k] : a
    s = a; for t: s = s * exp(m[t-1] - m[t]) + exp(x[t] - m[t]),  m a running maximum
                                                  ->    see `online`
    s = a; for t: s = x[t] > m[t-1] ? t : s       ->    see `extrema`

Only what is left at the end counts: a recurrence of which every step is read stays one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .accumulation import choice_sides, conjuncts, depends, kept_unless, split_update
from .extrema import (
    Choice,
    Running,
    first_or_last,
    is_exact,
    position_of,
    running_in,
    steps_at,
    unguarded,
)
from .online import rescaled_sum
from .orderings import extremum, tie
from .places import Kept, Place, Steps, chosen, least_place, number, place_of
from .tensors import (
    IDENTITY,
    Axis,
    Cell,
    Graph,
    Reduction,
    Tensor,
    combine,
    is_choice,
    is_identity,
    knowing,
    resimplified,
)
from .tidy import tidied, without_locals


def fold_recurrences(graph: Graph) -> Graph:
    """The graph with the recurrences that are reductions as such."""
    producers = {tensor.buffer: tensor for tensor in graph.tensors}
    tensors: list[Tensor] = []
    for tensor in graph.tensors:
        folded = _folded(tensor, producers)
        tensors += [tensor] if folded is None else map(resimplified, folded)
    return replace(graph, tensors=tuple(tensors)).live()


def _folded(tensor: Tensor, producers: Mapping[Buffer, Tensor]) -> list[Tensor] | None:
    """A recurrence as reductions and what joins them, or `None`."""
    if tensor.recurrence is None or tensor.ordered_positions:
        return None
    tensor = without_locals(tensor)
    if tensor.recurrence is not None and len(tensor.recurrence.states) > 1:
        tensor = tidied(_with_extrema(tensor))
    recurrence = tensor.recurrence
    if recurrence is None or recurrence.locals or any(state.axes for state in recurrence.states):
        return None
    if len(recurrence.states) != 1:
        return _pair_folded(tensor, producers)
    fold = _Fold(tensor, recurrence.axes, recurrence.states[0])
    updated = fold.as_update()
    if updated is not None:
        return updated
    running = running_in(tensor, producers)
    return fold.as_rescaled(running, producers) or fold.as_choice(running, producers)


def _with_extrema(tensor: Tensor) -> Tensor:
    """Choices between a state and what is greater (or less) as maxima (or minima), so that what
    they say of equal numbers, by another state, is out of the way."""
    assert tensor.recurrence is not None

    def changed(cell: Cell) -> Cell:
        own = cell.buffer[tir.const(0, "int32")]

        def at(node: Expr) -> Expr:
            sides = choice_sides(node) if is_choice(node) else None
            if sides is None or not any(tir.same(side, own) for side in sides[1:]):
                return node
            op = extremum(*sides)
            return node if op is None else combine(op, sides[2], sides[1])

        call = (tvm.ir.Call, at)
        return replace(cell, value=tvm_ffi.structural_map(cell.value, call, order="post"))

    return replace(tensor, recurrence=tensor.recurrence.map_cells(changed))


def _pair_folded(tensor: Tensor, producers: Mapping[Buffer, Tensor]) -> list[Tensor] | None:
    """The place of an extremum, where the least (or greatest) place of equal ones is kept."""
    assert tensor.recurrence is not None
    if len(tensor.recurrence.states) != 2:
        return None
    one, two = (_Fold(tensor, tensor.recurrence.axes, each) for each in tensor.recurrence.states)
    kept, extreme = (one, two) if depends(one.step, two.own) else (two, one)
    if depends(extreme.step, kept.own) or depends(tensor.value, extreme.own):
        return None
    update, sides = split_update(extreme.step, extreme.own), kept_unless(kept.step, kept.own)
    if update is None or sides is None or update[0] not in ("max", "min"):
        return None
    (op, guarded), (test, place) = update, sides
    guards, term = unguarded(op, guarded)
    whole = [part for part in conjuncts(test) if not any(tir.same(part, one) for one in guards)]
    choice = tir.conjunction(whole)
    tied = tie(choice, term, extreme.own, place, kept.own)
    if extremum(choice, term, extreme.own) != op or tied not in ("min", "max"):
        return None
    if not is_exact(term, producers) or depends(place, extreme.own):
        return None
    reduced, last = extreme.reduction(op, guarded, extreme.axes)
    if not is_identity(op, extreme.init):
        last = combine(op, extreme.init, last)
    steps = Steps(op, extreme.axes, term, extreme.init, guards, last)
    with knowing(tensor.all_axes, tensor.guard) as analyzer:
        found = least_place(steps, tied, Kept(place, number(kept.init, producers)), analyzer)
    return None if found is None else [reduced, *kept.as_place(found)]


@dataclass(frozen=True, eq=False)
class _Fold:
    """A recurrence with one scalar state, read after its last step."""

    tensor: Tensor
    axes: tuple[Axis, ...]
    state: Cell

    @property
    def own(self) -> Expr:
        return self.state.buffer[tir.const(0, "int32")]

    @property
    def step(self) -> Expr:
        return self.state.value

    @property
    def init(self) -> Expr:
        assert self.state.init is not None
        return self.state.init

    def as_update(self) -> list[Tensor] | None:
        found = split_update(self.step, self.own)
        if found is None:
            return None
        op, term = found
        reduced, value = self.reduction(op, term, self.axes)
        if not is_identity(op, self.init):
            value = combine(op, self.init, value)
        return [reduced, self._final(value)]

    def as_rescaled(
        self, found: list[Running], producers: Mapping[Buffer, Tensor]
    ) -> list[Tensor] | None:
        for running in found:
            parts = rescaled_sum(self.step, self.own, running, producers)
            if parts is not None:
                reduced, value = self.reduction("+", parts.term, (*self.axes, *parts.axes))
                assert reduced.reduction is not None
                reduced = replace(reduced, reduction=replace(reduced.reduction, rescaled=True))
                if not is_identity("+", self.init):
                    value = self.init * parts.scale + value
                return [reduced, self._final(value)]
        return None

    def as_choice(
        self, found: list[Running], producers: Mapping[Buffer, Tensor]
    ) -> list[Tensor] | None:
        """The value of the last step at which a test held."""
        sides = kept_unless(self.step, self.own)
        if sides is None or depends(sides[0], self.own):
            return None
        test, value = sides
        choice = Choice(True, (test,), None)
        for running in found:
            abstract = running.abstract(test)
            wanted = None if abstract is None else first_or_last(abstract, running)
            if wanted is not None:
                place = place_of(wanted, running, Kept(value, number(self.init, producers)))
                if place is not None:
                    return self.as_place(place)
                choice = wanted
                break
        op = "max" if choice.last else "min"
        tests = [*choice.tests, *([] if choice.beyond is None else [choice.beyond])]
        none = IDENTITY["min"]("int32") if op == "min" else tir.const(-1, "int32")
        term = chosen(tests, position_of(self.axes), none)
        reduced, at = self.reduction(op, term, self.axes, "int32")
        value = tir.substitute(value, steps_at(self.axes, at))
        return [reduced, self._final(tirx.if_then_else(tirx.NE(at, none), value, self.init))]

    def as_place(self, place: Place) -> list[Tensor]:
        """The place, and the tensor that is read from it."""
        reduced, found = self.reduction(place.op, place.value, place.axes)
        if place.start is not None:
            found = tirx.if_then_else(tirx.NE(found, place.none), found, place.start)
        return [reduced, self._final(found)]

    def reduction(
        self, op: str, term: Expr, axes: tuple[Axis, ...], dtype: str = ""
    ) -> tuple[Tensor, Expr]:
        tensor = self.tensor
        shape = [extent for _, extent in tensor.axes] or [1]
        dtype = dtype or self.state.buffer.dtype
        buffer = tirx.decl_buffer(shape, dtype, self.state.buffer.name)
        reduction = Reduction(op, axes, IDENTITY[op](dtype))
        point = tuple(var for var, _ in tensor.axes) or (tir.const(0, "int32"),)
        made = Tensor(buffer, tensor.axes, term, reduction, tensor.guard, tensor.span)
        return made, buffer[point]

    def _final(self, last: Expr) -> Tensor:
        value = tir.map_loads(
            self.tensor.value, lambda load: last if tir.same(load, self.own) else load
        )
        return replace(self.tensor, value=value, recurrence=None)
