"""Elements that stand for nothing: infinities beside the numbers that are compared.

    w = -inf > v or (-inf == v and 0 < i) ? -inf : v            ->    w = v
    (g ? v : -inf) == m ? (g ? p : 0) : none                    ->    g ? (v == m ? p : none) : none

A warp of which only some lanes hold a number is filled up so. The second holds of an m that is no
infinity, as extrema of which the place is asked for are said to be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from .accumulation import choice_sides, decided
from .orderings import Order, extremum, outcome
from .tensors import Graph, Tensor, is_choice, is_identity


def without_infinities(graph: Graph) -> Graph:
    """The graph with plain tensors that are the greater of a number and minus infinity as the
    number."""
    return graph.map_tensors(_number)


def _number(tensor: Tensor) -> Tensor:
    sides = choice_sides(tensor.value) if tensor.plain else None
    if sides is None or "float" not in tensor.buffer.dtype:
        return tensor
    op = extremum(*sides)
    if op is None:
        return tensor
    kept = [side for side in sides[1:] if not is_end(op, side)]
    return replace(tensor, value=kept[0]) if len(kept) == 1 else tensor


def is_end(op: str, value: Expr) -> bool:
    """Whether a floating-point constant is what an extremum of nothing is."""
    return isinstance(value, tirx.FloatImm) and is_identity(op, value)


@dataclass(frozen=True, eq=False)
class Element:
    """An element of an argument of `op`: the `place` of a `term`, where the guards hold."""

    op: str
    term: Expr
    place: Expr
    guards: tuple[Expr, ...] = ()

    def of_numbers(self) -> Element | None:
        """The same of the elements that are no infinities; `None` where that changes nothing."""
        sides = choice_sides(self.term)
        if sides is not None and is_end(self.op, sides[2]) and not tir.has_load(sides[0]):
            under = choice_sides(decided(tirx.if_then_else(sides[0], self.place, self.place)))
            assert under is not None
            guards = (*self.guards, *tir.conjuncts(sides[0]))
            return replace(self, term=sides[1], place=under[1], guards=guards)
        place = self._place_of_number()
        return None if tir.same(place, self.place) else replace(self, place=place)

    def _place_of_number(self) -> Expr:
        """The place, with what it asks of an infinity and the element known."""
        constants: list[Expr] = []
        tvm_ffi.structural_walk(self.place, [(tirx.FloatImm, constants.append)], order="pre")
        sign = 1 if self.op == "max" else -1
        known = [Order(self.term, one, sign) for one in constants if is_end(self.op, one)]

        def at(node: Expr) -> Expr:
            asked = choice_sides(node) if is_choice(node) else None
            holds = outcome(asked[0], known) if asked is not None and known else None
            return node if asked is None or holds is None else asked[1] if holds else asked[2]

        return tvm_ffi.structural_map(self.place, (tvm.ir.Call, at), order="post")
