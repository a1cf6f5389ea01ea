"""What tests say of numbers once it is known how these compare.

    b > a or (b == a and j < i)      a < b: true      a > b: false      a == b, i < j: false

Numbers that are no NaN: `not a < b` is `a >= b`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from .accumulation import choice_sides

_HOLDS = {
    tirx.LT: (True, False, False),
    tirx.LE: (True, True, False),
    tirx.EQ: (False, True, False),
    tirx.NE: (True, False, True),
    tirx.GE: (False, True, True),
    tirx.GT: (False, False, True),
}
"""Whether a comparison holds of a lesser, an equal and a greater number."""


@dataclass(frozen=True, eq=False)
class Order:
    """`left` is less than, equal to or greater than `right`, as `sign` is."""

    left: Expr
    right: Expr
    sign: int


def outcome(test: Expr, known: Sequence[Order]) -> bool | None:
    """Whether a test holds where numbers compare as `known`; `None` where that does not tell."""
    constant = tir.as_const(test)
    if constant is not None:
        return bool(constant)
    if isinstance(test, tirx.Not):
        inner = outcome(test.a, known)
        return None if inner is None else not inner
    if isinstance(test, (tirx.And, tirx.Or)):
        decisive = isinstance(test, tirx.Or)
        found = [outcome(side, known) for side in (test.a, test.b)]
        if decisive in found:
            return decisive
        return None if None in found else not decisive
    sides = choice_sides(test)
    if sides is not None:
        holds = outcome(sides[0], known)
        then, other = (outcome(side, known) for side in sides[1:])
        if holds is None:
            return then if then == other else None
        return then if holds else other
    return _compared(test, known)


def _compared(test: Expr, known: Sequence[Order]) -> bool | None:
    holds = _HOLDS.get(type(test))
    if holds is None:
        return None
    for order in known:
        if tir.same(test.a, order.left) and tir.same(test.b, order.right):
            return holds[1 + order.sign]
        if tir.same(test.a, order.right) and tir.same(test.b, order.left):
            return holds[1 - order.sign]
    return None


def extremum(test: Expr, new: Expr, old: Expr) -> str | None:
    """`max` where the choice `test ? new : old` is the greater of both, `min` where the lesser:
    what the test says of equal ones does not matter."""
    if tir.same(new, old):
        return None
    below, above = (outcome(test, [Order(new, old, sign)]) for sign in (-1, 1))
    if (below, above) == (False, True):
        return "max"
    return "min" if (below, above) == (True, False) else None


def tie(test: Expr, new: Expr, old: Expr, place: Expr, other: Expr) -> str | None:
    """What a choice `test ? place : other` does where `new` and `old` are equal: takes the `min` or
    `max` of the places, or always the `new` or the `old` one; `None` where it does none of that."""
    equal = Order(new, old, 0)
    less, greater = (outcome(test, [equal, Order(place, other, sign)]) for sign in (-1, 1))
    if less is None or greater is None:
        return None
    if less == greater:
        return "new" if less else "old"
    return "min" if less else "max"
