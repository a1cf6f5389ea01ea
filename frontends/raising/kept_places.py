"""Loops that keep the place of an extremum, where the extremum is no loop of its own.

    if x[t] > m or (x[t] == m and p(t) < k): m = x[t]; k = p(t)      (pair: m depends on k)
    if x[t] > x[k]: k = t                                             (held: no m at all)

The first is the maximum of x whatever it says of equal elements, and k is then the least place of
the greatest element. In the second x[k] is the maximum so far, at each step, and what is asked of
it is asked of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .accumulation import choice_sides, conjuncts, depends, kept_unless, split_update
from .extrema import is_exact, unguarded
from .fold import Fold
from .orderings import extremum, tie
from .places import Kept, Steps, least_place, number, place_of
from .tensors import (
    IDENTITY,
    Cell,
    Tensor,
    combine,
    is_choice,
    is_identity,
    knowing,
    simplified,
)


def with_extrema(tensor: Tensor) -> Tensor:
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


def fold_pair(tensor: Tensor, producers: Mapping[Buffer, Tensor]) -> list[Tensor] | None:
    """The place of an extremum, where the least (or greatest) place of equal ones is kept."""
    assert tensor.recurrence is not None
    if len(tensor.recurrence.states) != 2:
        return None
    one, two = (Fold(tensor, tensor.recurrence.axes, each) for each in tensor.recurrence.states)
    kept, extreme = (one, two) if depends(one.step, two.own) else (two, one)
    if depends(extreme.step, kept.own) or depends(tensor.value, extreme.own):
        return None
    update, sides = split_update(extreme.step, extreme.own), kept_unless(kept.step, kept.own)
    if update is None or sides is None or update[0] not in ("max", "min"):
        return None
    (op, guarded), (test, place) = update, sides
    guards, term = unguarded(op, guarded)
    parts = conjuncts(test)
    if not all(any(tir.same(guard, part) for part in parts) for guard in guards):
        return None
    choice = tir.conjunction(
        part for part in parts if not any(tir.same(part, guard) for guard in guards)
    )
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
        found = least_place(
            steps, tied, Kept(place, number(kept.init, tensor, producers)), analyzer
        )
    return None if found is None else [reduced, *kept.as_place(found)]


def fold_held(fold: Fold, producers: Mapping[Buffer, Tensor]) -> list[Tensor] | None:
    """The place of an extremum that is read from where it is."""
    sides = kept_unless(fold.step, fold.own)
    if sides is None or depends(sides[1], fold.own):
        return None
    tests, place = conjuncts(sides[0]), number(sides[1], fold.tensor, producers)
    asking = [test for test in tests if depends(test, fold.own)]
    guards = tuple(test for test in tests if not depends(test, fold.own))
    if len(asking) != 1:
        return None
    (test,) = asking

    def held_at(held: Expr, place: Expr) -> Expr:
        return tir.map_loads(held, lambda load: place if tir.same(load, fold.own) else load)

    for term, held in _compared(test):
        op = extremum(test, term, held)
        if op is None or depends(term, fold.own) or not is_exact(term, producers):
            continue
        with knowing(fold.tensor.all_axes, (*fold.tensor.guard, *guards)) as analyzer:
            there = simplified(analyzer, held_at(held, place))
            if not tir.same(there, simplified(analyzer, term)):
                continue
        tied = tie(test, term, held, place, fold.own)
        kept = Kept(place, number(fold.init, fold.tensor, producers))
        none = IDENTITY[op](tir.dtype_of(term))
        guarded = tirx.if_then_else(tir.conjunction(guards), term, none) if guards else term
        reduced, last = fold.reduction(op, guarded, fold.axes, tir.dtype_of(term))
        first = held_at(held, kept.start)
        steps = Steps(op, fold.axes, term, first, guards, combine(op, first, last))
        with knowing(fold.tensor.all_axes, fold.tensor.guard) as analyzer:
            if tied in ("min", "max"):
                found = least_place(steps, tied, kept, analyzer)
            elif tied is not None:
                found = place_of(steps, tied == "new", kept, analyzer)
            else:
                found = None
        return None if found is None else [reduced, *fold.as_place(found)]
    return None


def _compared(test: Expr) -> list[tuple[Expr, Expr]]:
    """The sides of the comparisons in a test, in both orders."""
    found: list[Expr] = []
    tvm_ffi.structural_walk(test, [(kind, found.append) for kind in tir.OPPOSITES], order="pre")
    return [pair for node in found for pair in ((node.a, node.b), (node.b, node.a))]
