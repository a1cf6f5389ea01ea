"""Sums that are rescaled while a maximum grows, as sums over the final maximum.

    n = max(m, x[t]); s = s * exp(m - n) + exp(x[t] - n) * w[t]; m = n
        ->    m = max(t) x[t];  s = sum(t) exp(x[t] - m) * w[t]

After step t the state is the sum over i <= t of exp(x[i] - m[t]) * w[i]: each step multiplies what
is there by exp(m[t-1] - m[t]), which moves every term from the old maximum to the new one. So for
any base and scale of the exponents, and where a step adds a sum of its own (a tile of columns).
Online softmax: Milakov and Gimelshein, https://arxiv.org/abs/1805.02867.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from .accumulation import better, choice_sides, depends
from .extrema import Running
from .tensors import Axis, Tensor

_BASES = ("exp", "exp2", "exp10")


@dataclass(frozen=True, eq=False)
class _Rescaling:
    """`base ** ((before - after) * factors)`."""

    base: str
    factors: tuple[Expr, ...]


@dataclass(frozen=True, eq=False)
class RescaledSum:
    """`sum(term)` over the steps and `axes`; the state's first value is multiplied by `scale`."""

    term: Expr
    axes: tuple[Axis, ...]
    scale: Expr


def rescaled_sum(
    step: Expr, own: Expr, running: Running, producers: Mapping[Buffer, Tensor]
) -> RescaledSum | None:
    """What a state ends as whose step is `step`, if that rescales it with `running`."""
    abstract = running.abstract(step)
    parts = None if abstract is None else _affine(abstract, own)
    if parts is None or parts[0] is None or parts[1] is None:
        return None
    scale, term = parts[0], parts[1]
    axes: tuple[Axis, ...] = ()
    opened = _opened(term, running, producers)
    if opened is not None:
        term, axes = opened
    for guard in running.guards:
        scale, term = _under(scale, guard, 1), _under(term, guard, 0)
        if scale is None or term is None:
            return None
    found = _in_branches(scale, term, running) or _telescoped(scale, term, running)
    if found is None:
        return None
    rescaling, term = found
    for guard in reversed(running.guards):
        term = tirx.if_then_else(guard, term, tir.const(0, tir.dtype_of(term)))
    exponent = running.init - running.last
    for factor in rescaling.factors:
        exponent = exponent * factor
    first = getattr(tirx, rescaling.base)(exponent)
    return RescaledSum(tir.substitute(term, {running.after: running.last}), axes, first)


def _opened(
    term: Expr, running: Running, producers: Mapping[Buffer, Tensor]
) -> tuple[Expr, tuple[Axis, ...]] | None:
    """A term that is read from a sum which depends on the running maximum, as the sum's own."""
    sides = choice_sides(term)
    if sides is not None and _is(sides[2], 0):
        inside = _opened(sides[1], running, producers)
        return inside and (tirx.if_then_else(sides[0], inside[0], sides[2]), inside[1])
    producer = producers.get(term.source) if isinstance(term, tir.Load) else None
    if producer is None or producer.reduction is None or not running.is_in(producer):
        return None
    if producer.reduction.op != "+":
        return None
    point = {var: index for (var, _), index in zip(producer.axes, term.indices, strict=False)}
    fresh = {var: tirx.Var(var.name, "int32") for var, _ in producer.reduction.axes}
    axes = tuple((fresh[var], extent) for var, extent in producer.reduction.axes)
    inner = replace(running, known=((*running.known[0], *axes), running.known[1]))
    found = inner.abstract(tir.substitute(tir.substitute(producer.value, fresh), point))
    return None if found is None else (found, axes)


def _affine(expr: Expr, own: Expr) -> tuple[Expr | None, Expr | None] | None:
    """`(a, b)` of `own * a + b`; `None` in place of either that is 0."""
    if not depends(expr, own):
        return None, expr
    if tir.same(expr, own):
        return tir.const(1, tir.dtype_of(own)), None
    if isinstance(expr, tirx.Add):
        left, right = _affine(expr.a, own), _affine(expr.b, own)
        if left is None or right is None or (left[0] is not None and right[0] is not None):
            return None
        terms = [part for part in (left[1], right[1]) if part is not None]
        scale = left[0] if left[0] is not None else right[0]
        return scale, (terms[0] + terms[1] if len(terms) == 2 else terms[0] if terms else None)
    if isinstance(expr, tirx.Mul):
        side, factor = (expr.a, expr.b) if depends(expr.a, own) else (expr.b, expr.a)
        inner = None if depends(factor, own) else _affine(side, own)
        if inner is None or inner[0] is None or inner[1] is not None:
            return None
        return (factor if _is(inner[0], 1) else inner[0] * factor), None
    sides = choice_sides(expr)
    if sides is None or depends(sides[0], own):
        return None
    then, other = _affine(sides[1], own), _affine(sides[2], own)
    if then is None or other is None or then[0] is None or other[0] is None:
        return None
    scale = tirx.if_then_else(sides[0], then[0], other[0])
    if then[1] is None and other[1] is None:
        return scale, None
    zero = tir.const(0, tir.dtype_of(own))
    terms = [zero if part is None else part for part in (then[1], other[1])]
    return scale, tirx.if_then_else(sides[0], *terms)


def _under(expr: Expr, test: Expr, otherwise: int) -> Expr | None:
    """What `expr` is where a test holds, if it is the constant `otherwise` elsewhere."""
    sides = choice_sides(expr)
    if sides is None or not tir.same(sides[0], test) or not _is(sides[2], otherwise):
        return None
    return sides[1]


def _telescoped(scale: Expr, term: Expr, running: Running) -> tuple[_Rescaling, Expr] | None:
    """The factor by which a step rescales, and its term over the running value after the step."""
    rescaling = _rescaling(scale, running)
    if rescaling is None or _weighted(term, rescaling, running) is None:
        return None
    return rescaling, term


def _in_branches(scale: Expr, term: Expr, running: Running) -> tuple[_Rescaling, Expr] | None:
    """A step written out for both cases: a greater element, which is then the maximum itself, or
    none, which changes no scale.

    x > m ? s * exp(m - x) + w : s + exp(x - m) * w    ->    exp(m - n), exp(x - n) * w
    """
    first, second = choice_sides(scale), choice_sides(term)
    if first is None or second is None or not tir.same(first[0], second[0]):
        return None
    greatest = running.term
    if better(first[0], greatest, running.before) != running.op or not _is(first[2], 1):
        return None
    rescaling = _rescaling(_replaced(first[1], greatest, running.after), running)
    kept = tir.substitute(second[2], {running.before: running.after})
    found = None if rescaling is None else _weighted(kept, rescaling, running)
    if rescaling is None or found is None:
        return None
    exponents, weight = found
    own = [leaf for sign, leaf, factors in exponents if sign > 0 and tir.same(leaf, greatest)]
    if len(exponents) != 2 or not own or not tir.same(second[1], weight):
        return None
    return rescaling, kept


def _rescaling(scale: Expr, running: Running) -> _Rescaling | None:
    base = _base(scale)
    if base is None:
        return None
    exponents = _terms(scale.args[0], (running.before, running.after))
    if len(exponents) != 2:
        return None
    exponents.sort(key=lambda one: -one[0])
    gained, lost = exponents
    symbols = [running.before, running.after, *(var for var, _ in running.axes)]
    if (
        (gained[0], lost[0]) != (1, -1)
        or not tir.same(gained[1], running.before)
        or not tir.same(lost[1], running.after)
        or not _alike(gained[2], lost[2])
        or any(tir.uses(factor, symbols) for factor in gained[2])
    ):
        return None
    return _Rescaling(base, gained[2])


_Term = tuple[int, Expr, tuple[Expr, ...]]  # sign, variable or rest, factors


def _weighted(
    term: Expr, rescaling: _Rescaling, running: Running
) -> tuple[list[_Term], Expr] | None:
    """Exponents and weight `w` of a term `base ** (… - after * factors) * w`."""
    sides = choice_sides(term)
    if sides is not None and _is(sides[2], 0) and not _uses(sides[0], running):
        return _weighted(sides[1], rescaling, running)
    powers: list[Expr] = []
    weight: Expr = tir.const(1, tir.dtype_of(term))
    for factor in _factors(term):
        if _uses(factor, running):
            powers.append(factor)
        else:
            weight = factor if _is(weight, 1) else weight * factor
    if len(powers) != 1 or _base(powers[0]) != rescaling.base:
        return None
    exponents = _terms(powers[0].args[0], (running.before, running.after))
    moving = [one for one in exponents if _uses(one[1], running)]
    if any(_uses(factor, running) for _, _, factors in exponents for factor in factors):
        return None
    if len(moving) != 1 or moving[0][0] > 0 or not tir.same(moving[0][1], running.after):
        return None
    return (exponents, weight) if _alike(moving[0][2], rescaling.factors) else None


def _terms(expr: Expr, symbols: tuple[Var, ...], factors: tuple[Expr, ...] = ()) -> list[_Term]:
    """A sum of `sign * leaf * factors`, multiplied out as far as the symbols need it."""
    if isinstance(expr, tirx.Add):
        return [*_terms(expr.a, symbols, factors), *_terms(expr.b, symbols, factors)]
    if isinstance(expr, tirx.Sub):
        minus = [(-sign, leaf, own) for sign, leaf, own in _terms(expr.b, symbols, factors)]
        return [*_terms(expr.a, symbols, factors), *minus]
    if isinstance(expr, tirx.Mul) and tir.uses(expr, symbols):
        inner, factor = (expr.a, expr.b) if tir.uses(expr.a, symbols) else (expr.b, expr.a)
        return _terms(inner, symbols, (factor, *factors))
    if isinstance(expr, tirx.Div) and not tir.uses(expr.b, symbols):
        one = tir.const(1, tir.dtype_of(expr))
        return _terms(expr.a, symbols, (one / expr.b, *factors))
    return [(1, expr, factors)]


def _factors(expr: Expr) -> list[Expr]:
    return _factors(expr.a) + _factors(expr.b) if isinstance(expr, tirx.Mul) else [expr]


def _uses(expr: Expr, running: Running) -> bool:
    return tir.uses(expr, [running.before, running.after])


def _alike(left: tuple[Expr, ...], right: tuple[Expr, ...]) -> bool:
    return len(left) == len(right) and all(map(tir.same, left, right))


def _base(expr: Expr) -> str | None:
    name = getattr(expr.op, "name", "") if isinstance(expr, tvm.ir.Call) else ""
    base = name.split(".")[-1]
    return base if base in _BASES else None


def _is(expr: Expr, value: int) -> bool:
    return isinstance(expr, (tirx.FloatImm, tirx.IntImm)) and float(expr.value) == value


def _replaced(expr: Expr, old: Expr, new: Expr) -> Expr:
    kinds = (tir.Load, tvm.ir.Call, tirx.Mul, tirx.Add, tirx.Sub, tirx.Cast)

    def change(node: Expr) -> Expr:
        return new if tir.same(node, old) else node

    for kind in kinds:
        expr = tvm_ffi.structural_map(expr, (kind, change), order="post")
    return expr
