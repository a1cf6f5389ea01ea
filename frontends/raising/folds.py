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

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .accumulation import depends, kept_under, split_update
from .extrema import Running, first_or_last, position_of, running_in, steps_at
from .online import rescaled_sum
from .tensors import (
    IDENTITY,
    Axis,
    Cell,
    Graph,
    Reduction,
    Tensor,
    combine,
    is_identity,
    resimplified,
)
from .tidy import without_locals


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
    recurrence = tensor.recurrence
    if recurrence is None or recurrence.locals:
        return None
    if len(recurrence.states) != 1 or recurrence.states[0].axes:
        return None
    fold = _Fold(tensor, recurrence.axes, recurrence.states[0])
    updated = fold.as_update()
    if updated is not None:
        return updated
    running = running_in(tensor, producers)
    return fold.as_rescaled(running, producers) or fold.as_choice(running)


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
        reduced, value = self._reduction(op, term, self.axes)
        if not is_identity(op, self.init):
            value = combine(op, self.init, value)
        return [reduced, self._final(value)]

    def as_rescaled(
        self, found: list[Running], producers: Mapping[Buffer, Tensor]
    ) -> list[Tensor] | None:
        for running in found:
            parts = rescaled_sum(self.step, self.own, running, producers)
            if parts is not None:
                reduced, value = self._reduction("+", parts.term, (*self.axes, *parts.axes))
                assert reduced.reduction is not None
                reduced = replace(reduced, reduction=replace(reduced.reduction, rescaled=True))
                if not is_identity("+", self.init):
                    value = self.init * parts.scale + value
                return [reduced, self._final(value)]
        return None

    def as_choice(self, found: list[Running]) -> list[Tensor] | None:
        """The value of the last step at which a test held."""
        sides = kept_under(self.step, self.own)
        if sides is None or any(depends(part, self.own) for part in sides):
            return None
        test, value = sides
        op, condition = "max", test
        for running in found:
            abstract = running.abstract(test)
            wanted = None if abstract is None else first_or_last(abstract, running)
            if wanted is not None:
                op, condition = wanted
                break
        none = IDENTITY["min"]("int32") if op == "min" else tir.const(-1, "int32")
        term = tirx.if_then_else(condition, position_of(self.axes), none)
        reduced, at = self._reduction(op, term, self.axes, "int32")
        value = tir.substitute(value, steps_at(self.axes, at))
        return [reduced, self._final(tirx.if_then_else(tirx.NE(at, none), value, self.init))]

    def _reduction(
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
