"""Recurrences that are reductions.

    s = a; for t: s = s + x[t]                    ->    s = a + sum(t) x[t]
    s = a; for t: s = x[t] > s ? x[t] : s         ->    s = max(a, max(t) x[t])
    s = a; for t: s = c[t] ? x[t] : s             ->    k = max(t) (c[t] ? t : -1);
                                                        s = k >= 0 ? x[k] : a
    s = a; for t: s = s * exp(m[t-1] - m[t]) + exp(x[t] - m[t]),  m a running maximum
                                                  ->    see `online`
    s = a; for t: s = x[t] > m[t-1] ? t : s       ->    see `places`
    s = 0; for t: s = c[t] ? 1 : s                ->    s = max(t) (c[t] ? 1 : 0)

Only what is left at the end counts: a recurrence of which every step is read stays one, but for
numbers that grow by the same each step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .accumulation import depends, kept_unless, split_update
from .extrema import Choice, Running, first_or_last, position_of, running_in, steps_at
from .fold import Fold
from .kept_places import fold_held, fold_pair, with_extrema
from .online import rescaled_sum
from .places import Kept, Steps, chosen, number, place_of
from .tensors import (
    IDENTITY,
    Graph,
    Tensor,
    combine,
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
        if folded is not None and folded[-1].plain and tensor.ordered_positions:
            producers[tensor.buffer] = folded[-1]
        tensors += [tensor] if folded is None else map(resimplified, folded)
    return replace(graph, tensors=tuple(tensors)).live()


def _folded(tensor: Tensor, producers: Mapping[Buffer, Tensor]) -> list[Tensor] | None:
    """A recurrence as reductions and what joins them, or `None`."""
    if tensor.recurrence is None:
        return None
    if tensor.ordered_positions:
        return _as_progression(tensor, producers)
    tensor = without_locals(tensor)
    if tensor.recurrence is not None and len(tensor.recurrence.states) > 1:
        tensor = tidied(with_extrema(tensor))
    recurrence = tensor.recurrence
    if recurrence is None or recurrence.locals or any(state.axes for state in recurrence.states):
        return None
    if len(recurrence.states) != 1:
        return fold_pair(tensor, producers)
    fold = Fold(tensor, recurrence.axes, recurrence.states[0])
    updated = _as_update(fold)
    if updated is not None:
        return updated
    held = fold_held(fold, producers)
    if held is not None:
        return held
    running = running_in(tensor, producers)
    return _as_rescaled(fold, running, producers) or _as_choice(fold, running, producers)


def _as_progression(tensor: Tensor, producers: Mapping[Buffer, Tensor]) -> list[Tensor] | None:
    """A number that grows by the same each step, of which every step is read:  a + (t + 1) * d."""
    recurrence = without_locals(tensor).recurrence
    if recurrence is None or recurrence.locals or len(recurrence.states) != 1:
        return None
    fold = Fold(tensor, recurrence.axes, recurrence.states[0])
    found = split_update(fold.step, fold.own)
    whole = len(tensor.ordered_positions) == len(recurrence.axes)
    if not whole or fold.state.axes or found is None or found[0] != "+":
        return None
    dtype, each = fold.state.buffer.dtype, found[1]
    if not tir.is_int(each) or tir.has_load(each) or tir.uses(each, recurrence.variables):
        return None
    count = position_of(recurrence.axes) + 1
    if tir.dtype_of(count) != dtype:
        count = tirx.Cast(dtype, count)
    return [fold.final(number(fold.init, tensor, producers) + each * count)]


def _as_update(fold: Fold) -> list[Tensor] | None:
    found = split_update(fold.step, fold.own)
    if found is None:
        return None
    op, term = found
    reduced, value = fold.reduction(op, term, fold.axes)
    if not is_identity(op, fold.init):
        value = combine(op, fold.init, value)
    return [reduced, fold.final(value)]


def _as_rescaled(
    fold: Fold, found: list[Running], producers: Mapping[Buffer, Tensor]
) -> list[Tensor] | None:
    for running in found:
        parts = rescaled_sum(fold.step, fold.own, running, producers)
        if parts is not None:
            reduced, value = fold.reduction("+", parts.term, (*fold.axes, *parts.axes))
            assert reduced.reduction is not None
            reduced = replace(reduced, reduction=replace(reduced.reduction, rescaled=True))
            if not is_identity("+", fold.init):
                value = fold.init * parts.scale + value
            return [reduced, fold.final(value)]
    return None


def _as_choice(
    fold: Fold, found: list[Running], producers: Mapping[Buffer, Tensor]
) -> list[Tensor] | None:
    """The value of the last step at which a test held."""
    sides = kept_unless(fold.step, fold.own)
    if sides is None or depends(sides[0], fold.own):
        return None
    test, value = sides
    choice = Choice(True, (test,), None)
    for running in found:
        abstract = running.abstract(test)
        wanted = None if abstract is None else first_or_last(abstract, running)
        if wanted is not None:
            terms = (running.term, running.init, running.guards, running.last)
            steps = Steps(running.op, running.axes, *terms)
            kept = Kept(*(number(one, fold.tensor, producers) for one in (value, fold.init)))
            with knowing(*running.known) as analyzer:
                place = place_of(steps, wanted.last, kept, analyzer)
            if place is not None:
                return fold.as_place(place)
            choice = wanted
            break
    else:
        constant = _as_flag(fold, test, value)
        if constant is not None:
            return constant
    op = "max" if choice.last else "min"
    tests = [*choice.tests, *([] if choice.beyond is None else [choice.beyond])]
    none = IDENTITY["min"]("int32") if op == "min" else tir.const(-1, "int32")
    term = chosen(tests, position_of(fold.axes), none)
    reduced, at = fold.reduction(op, term, fold.axes, "int32")
    value = tir.substitute(value, steps_at(fold.axes, at))
    return [reduced, fold.final(tirx.if_then_else(tirx.NE(at, none), value, fold.init))]


def _as_flag(fold: Fold, test: Expr, value: Expr) -> list[Tensor] | None:
    """Whether a test ever held:  s = 0; if c[t]: s = 1    ->    s = max(t) (c[t] ? 1 : 0)."""
    numbers = (tirx.IntImm, tirx.FloatImm)
    first = fold.init
    if not isinstance(value, numbers) or not isinstance(first, numbers):
        return None
    if tir.dtype_of(value) == "bool" or value.value == first.value:
        return None
    op = "max" if value.value > first.value else "min"
    reduced, last = fold.reduction(op, tirx.if_then_else(test, value, first), fold.axes)
    return [reduced, fold.final(last)]
