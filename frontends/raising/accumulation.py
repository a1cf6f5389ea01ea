"""Steps that accumulate: `own op e`, in the ways in which programs spell them.

own + a + b,  own - a,  c ? own + a : own,  a > own ? a : own,  own <= a && c ? own : a
"""

from __future__ import annotations

from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from .tensors import (
    IDENTITY,
    combine,
    is_choice,
    negated,
    outermost_choices,
    replace_choices,
)

_KINDS = {tirx.Add: "+", tirx.Mul: "*", tirx.Max: "max", tirx.Min: "min"}
_GREATER = (tirx.GT, tirx.GE)
_LESS = (tirx.LT, tirx.LE)


def split_update(value: Expr, own: Expr) -> tuple[str, Expr] | None:
    """`(op, e)` where `value` is `own op e` and `e` does not depend on `own`.

    A greater or lesser one that is chosen is taken for the maximum or minimum, which it is of
    numbers.
    """
    op = _KINDS.get(type(value))
    if op is not None:
        terms = _terms(value, type(value))
        selves = [term for term in terms if tir.same(term, own)]
        others = [term for term in terms if not tir.same(term, own)]
        if len(selves) == 1 and others and not any(depends(term, own) for term in others):
            rest = others[0]
            for term in others[1:]:
                rest = combine(op, rest, term)
            return op, rest
        return None
    if isinstance(value, tirx.Sub):
        return _split_difference(value, own)
    sides = choice_sides(value)
    return None if sides is None else _chosen(*sides, own)


def _split_difference(value: Expr, own: Expr) -> tuple[str, Expr] | None:
    """What is added where some of it is taken away: `own + a - b` adds `a - b`."""
    added, taken = _signed_terms(value)
    selves = [term for term in added if tir.same(term, own)]
    others = [term for term in added if not tir.same(term, own)]
    if len(selves) != 1 or any(depends(term, own) for term in (*others, *taken)):
        return None
    rest = None
    for term in others:
        rest = term if rest is None else rest + term
    for term in taken:
        rest = term * tir.const(-1, tir.dtype_of(value)) if rest is None else rest - term
    return "+", rest


def _signed_terms(expr: Expr) -> tuple[list[Expr], list[Expr]]:
    """The terms of a sum, those that are added and those that are taken away."""
    if not isinstance(expr, (tirx.Add, tirx.Sub)):
        return [expr], []
    added, taken = _signed_terms(expr.a)
    more, less = _signed_terms(expr.b)
    if isinstance(expr, tirx.Sub):
        more, less = less, more
    return added + more, taken + less


def choice_sides(value: Expr) -> tuple[Expr, Expr, Expr] | None:
    """Test and sides of a choice, lazy or not; the test is no negation."""
    if isinstance(value, tirx.Select):
        sides = (value.condition, value.true_value, value.false_value)
    elif is_choice(value):
        sides = tuple(value.args)
    else:
        return None
    test, then, other = sides
    while isinstance(test, tirx.Not):
        test, then, other = test.a, other, then
    return test, then, other


def kept_under(value: Expr, own: Expr) -> tuple[Expr, Expr] | None:
    """`(test, new)` where `value` is `new` if the test holds and `own` otherwise."""
    sides = choice_sides(value)
    if sides is None:
        return None
    test, then, other = sides
    if tir.same(other, own):
        return test, then
    if tir.same(then, own):
        return negated(test), other
    if tir.same(test, own) and tir.dtype_of(own) == "bool":
        if tir.as_const(then) == 1:  # own or other
            return other, then
        if tir.as_const(other) == 0:  # own and then
            return negated(then), other
    return None


def kept_unless(value: Expr, own: Expr) -> tuple[Expr, Expr] | None:
    """`(test, new)` as in `kept_under`, of choices inside choices too: `new` without `own`."""
    tests: list[Expr] = []
    while depends(value, own):
        sides = kept_under(value, own)
        if sides is None:
            return None
        test, value = sides
        tests.append(test)
    return (tir.conjunction(tests), value) if tests else None


def conjuncts(test: Expr) -> list[Expr]:
    """The parts of an `and`, also of one that leaves its second part uncomputed."""
    if isinstance(test, tirx.And):
        return conjuncts(test.a) + conjuncts(test.b)
    if is_choice(test) and tir.as_const(test.args[2]) == 0:
        return conjuncts(test.args[0]) + conjuncts(test.args[1])
    return [test]


def decided(expr: Expr) -> Expr:
    """Without choices whose test is that of a choice around them.

    c ? (c ? a : b) : (c ? d : e)    ->    c ? a : e
    """
    return _decided(expr, ())


def _decided(expr: Expr, known: tuple[tuple[Expr, bool], ...]) -> Expr:
    choices = outermost_choices(expr)
    if not choices:
        return expr
    held: dict[Expr, Expr] = {}
    for choice in choices:
        sides = choice_sides(choice)
        assert sides is not None
        test, then, other = sides
        settled = [holds for one, holds in known if tir.same(one, test)]
        place = tirx.Var("choice", tir.dtype_of(choice))
        if settled:
            held[place] = _decided(then if settled[0] else other, known)
        else:
            test = _decided(test, known)
            then = _decided(then, (*known, (test, True)))
            other = _decided(other, (*known, (test, False)))
            held[place] = tirx.if_then_else(test, then, other)
    return tir.substitute(replace_choices(expr, choices, list(held)), held)


def opposite(test: Expr) -> Expr:
    """The negation of a test; of a comparison, the one that holds instead, between numbers."""
    test = negated(test)
    if not isinstance(test, tirx.Not):
        return test
    other = tir.OPPOSITE_ORDERS.get(type(test.a))
    return test if other is None else other(test.a.a, test.a.b)


def depends(expr: Expr, own: Expr) -> bool:
    """Whether an expression reads the array of `own`, or uses it where it is a variable."""
    if isinstance(own, tirx.Var):
        return tir.uses(expr, [own])
    return any(load.source.same_as(own.source) for load in tir.loads(expr))


def _chosen(test: Expr, then: Expr, other: Expr, own: Expr) -> tuple[str, Expr] | None:
    found = kept_under(tirx.Select(test, then, other), own)
    if found is None:
        return None
    test, new = found
    if not depends(test, own):
        inner = split_update(new, own)
        if inner is None:
            return None
        op, term = inner
        return op, tirx.if_then_else(test, term, IDENTITY[op](tir.dtype_of(own)))
    if depends(new, own):
        return None
    tests = conjuncts(test)
    kinds = [kind for part in tests if (kind := better(part, new, own)) is not None]
    others = [part for part in tests if better(part, new, own) is None]
    if len(kinds) != 1 or any(depends(part, own) for part in others):
        return None
    if others:
        new = tirx.if_then_else(tir.conjunction(others), new, IDENTITY[kinds[0]](tir.dtype_of(own)))
    return kinds[0], new


def better(test: Expr, new: Expr, own: Expr) -> str | None:
    """`max` where a test says that `new` is greater than `own`, `min` where less."""
    if isinstance(test, tirx.Not):
        test = opposite(test.a)
    if not isinstance(test, (*_GREATER, *_LESS)):
        return None
    if tir.same(test.a, new) and tir.same(test.b, own):
        return "max" if isinstance(test, _GREATER) else "min"
    if tir.same(test.a, own) and tir.same(test.b, new):
        return "max" if isinstance(test, _LESS) else "min"
    return None


def _terms(expr: Expr, kind: Any) -> list[Expr]:
    if isinstance(expr, kind):
        return _terms(expr.a, kind) + _terms(expr.b, kind)
    return [expr]
