"""Functions that TIR has no intrinsic for, written in terms of those that it has.

Each takes the number in the type that it is computed in, and gives a number of that type.
"""

from __future__ import annotations

import math as exact
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from ..values import Number
from .calling import Invocation, local_copy

Expansion = Callable[[Invocation, Number], Number]


def _held(call: Invocation, number: Number) -> Expr:
    """The number in a local, as it is read more than once."""
    if not tir.has_load(number.expr) or isinstance(number.expr, tir.Load):
        return number.expr
    return local_copy(call.ev, number, "held", call.span).expr


def _wide(call: Invocation, number: Number) -> Expr:
    """The number as a double, in a local."""
    return local_copy(call.ev, call.math.convert(number, "float64"), "wide", call.span).expr


def _back(call: Invocation, value: Expr, like: Number) -> Number:
    return call.math.convert(Number(value, "float64"), like.dtype)


def _double(value: float) -> Expr:
    return tir.const(value, "float64")


def _exp10(call: Invocation, x: Number) -> Number:
    return Number(tirx.pow(tir.const(10.0, x.dtype), x.expr), x.dtype)


def _cbrt(call: Invocation, x: Number) -> Number:
    wide = _wide(call, x)
    root = tirx.copysign(tirx.pow(tirx.abs(wide), _double(1 / 3)), wide)
    return _back(call, root, x)


def _expm1(call: Invocation, x: Number) -> Number:
    # (e^x - 1) x / log(e^x), whose errors cancel; 0 and where e^x - 1 is as good as e^x apart.
    # (Kahan)
    value = _held(call, x)
    grown = local_copy(call.ev, Number(tirx.exp(value), x.dtype), "grown", call.span).expr
    one = tir.const(1.0, x.dtype)
    close = tirx.And(tirx.NE(grown, one), tirx.abs(value) < one)
    slope = tirx.Select(close, value / tirx.log(tirx.Select(close, grown, one + one)), one)
    return Number(tirx.Select(tirx.EQ(grown, one), value, (grown - one) * slope), x.dtype)


def _atanh(call: Invocation, x: Number) -> Number:
    wide = _wide(call, x)
    return _back(call, _double(0.5) * tirx.log1p((wide + wide) / (_double(1.0) - wide)), x)


# ---------------------------------------------------------------- error function


@lru_cache(maxsize=1)
def _erfc_series() -> tuple[float, ...]:
    """Chebyshev coefficients of log(erfc(x) / t) + x^2 over 2 t - 1, where t = 2 / (2 + x)."""

    def log_erfcx(x: float) -> float:
        if x < 5:
            return exact.log(exact.erfc(x)) + x * x
        tail = x  # the continued fraction
        for k in range(200, 0, -1):
            tail = x + k / 2 / tail
        return -exact.log(tail * exact.sqrt(exact.pi))

    def value(place: float) -> float:
        t = (place + 1) / 2
        return log_erfcx(2 / t - 2) - exact.log(t)

    series = np.polynomial.chebyshev.chebinterpolate(np.vectorize(value), 29)
    return tuple(map(float, series))


def _erfc(call: Invocation, x: Number) -> Number:
    wide = _wide(call, x)
    size = tirx.abs(wide)
    t = local_copy(call.ev, Number(_double(2.0) / (_double(2.0) + size), "float64"), "t", call.span)
    place = _double(2.0) * t.expr - _double(1.0)
    exponent = _series(call, place, _erfc_series()) - size * size
    tail = local_copy(call.ev, Number(t.expr * tirx.exp(exponent), "float64"), "tail", call.span)
    return _back(call, tirx.Select(wide < _double(0.0), _double(2.0) - tail.expr, tail.expr), x)


def _series(call: Invocation, place: Expr, coefficients: tuple[float, ...]) -> Expr:
    """A Chebyshev series by Clenshaw's recurrence."""
    span, ev = call.span, call.ev
    twice = local_copy(ev, Number(_double(2.0) * place, "float64"), "twice", span).expr
    older, old = _double(0.0), _double(0.0)
    for coefficient in reversed(coefficients[1:]):
        new = twice * old - older + _double(coefficient)
        older, old = old, local_copy(ev, Number(new, "float64"), "sum", span).expr
    return place * old - older + _double(coefficients[0])


# ---------------------------------------------------------------- gamma function

# Lanczos's coefficients for g = 7 and nine terms.
_LANCZOS = (
    0.99999999999980993,
    676.5203681218851,
    -1259.1392167224028,
    771.32342877765313,
    -176.61502916214059,
    12.507343278686905,
    -0.13857109526572012,
    9.9843695780195716e-6,
    1.5056327351493116e-7,
)


def _log_gamma_right(call: Invocation, x: Expr) -> Expr:
    """log(gamma(x)) for x >= 1/2."""
    z = x - _double(1.0)
    total: Expr = _double(_LANCZOS[0])
    for number, coefficient in enumerate(_LANCZOS[1:], 1):
        total = total + _double(coefficient) / (z + _double(float(number)))
    t = z + _double(7.5)
    log_root = _double(0.5 * exact.log(2 * exact.pi))
    value = log_root + (z + _double(0.5)) * tirx.log(t) - t + tirx.log(total)
    return local_copy(call.ev, Number(value, "float64"), "log_gamma", call.span).expr


def _mirrored(call: Invocation, x: Number) -> tuple[Expr, Expr, Expr]:
    """x as a double; log(gamma) of it or, left of 1/2, of 1 - x; sin(pi x)."""
    wide = _wide(call, x)
    left = wide < _double(0.5)
    right = tirx.Select(left, _double(1.0) - wide, wide)
    held = local_copy(call.ev, Number(right, "float64"), "mirrored", call.span).expr
    rest = wide - _double(2.0) * tirx.floor(wide * _double(0.5))
    sine = local_copy(
        call.ev, Number(tirx.sin(rest * _double(exact.pi)), "float64"), "sine", call.span
    )
    return wide, _log_gamma_right(call, held), sine.expr


def _lgamma(call: Invocation, x: Number) -> Number:
    wide, log_gamma, sine = _mirrored(call, x)
    mirrored = _double(exact.log(exact.pi)) - tirx.log(tirx.abs(sine)) - log_gamma
    whole = tirx.And(wide <= _double(0.0), tirx.EQ(tirx.floor(wide), wide))
    value = tirx.Select(wide < _double(0.5), mirrored, log_gamma)
    return _back(call, tirx.Select(whole, _double(float("inf")), value), x)


def _tgamma(call: Invocation, x: Number) -> Number:
    wide, log_gamma, sine = _mirrored(call, x)
    mirrored = _double(exact.pi) / (sine * tirx.exp(log_gamma))
    return _back(call, tirx.Select(wide < _double(0.5), mirrored, tirx.exp(log_gamma)), x)


EXPANSIONS: dict[str, Expansion] = {
    "exp10": _exp10,
    "cbrt": _cbrt,
    "expm1": _expm1,
    "atanh": _atanh,
    "erfc": _erfc,
    "lgamma": _lgamma,
    "tgamma": _tgamma,
}
