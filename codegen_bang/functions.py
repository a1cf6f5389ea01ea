"""Functions without an accurate instruction, written in terms of those that have one.

Each takes the code under construction and its argument, and gives the result. Errors were measured
against float64 on a dense grid, with correctly rounded instructions: see each function. All are for
float32. At a NaN `tanh` and `erf` give a bound of their range: the clamp is a comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xpiler_tvm.codegen.c_family import float_literal

from .choices import picked
from .vectors import Scalar, Value, Vector, VectorCode

_DTYPE = "float32"


def _scalar(value: float) -> Scalar:
    return Scalar(float_literal(value, _DTYPE).code)


def _op(code: VectorCode, meaning: str, a: Value, b: Value | float | None = None) -> Vector:
    if b is None:
        return code.apply(meaning, _DTYPE, a)
    return code.apply(meaning, _DTYPE, a, _scalar(b) if isinstance(b, float) else b)


def _clamp(code: VectorCode, x: Vector, low: float, high: float) -> Vector:
    return _op(code, "a >= b ? a : b", _op(code, "a <= b ? a : b", x, high), low)


def _polynomial(code: VectorCode, x: Vector, coefficients: Sequence[float]) -> Vector:
    """Horner's scheme, highest power first."""
    first, second, *rest = coefficients
    total = _op(code, "a + b", _op(code, "a * b", x, first), second)
    for coefficient in rest:
        total = _op(code, "a + b", _op(code, "a * b", total, x), coefficient)
    return total


def exp(code: VectorCode, x: Vector) -> Vector:
    """`2**k * 2**(r * log2(e))` with `k` the nearest integer to `x * log2(e)`; 3 ulp.

    A plain `2**(x * log2(e))` would lose `|x|` ulp to the rounding of the product. `k` is kept
    within the exponents of normal numbers; beyond them the second factor over- or underflows.
    """
    k = _clamp(
        code, _op(code, "roundf(a)", _op(code, "a * b", x, 1.4426950408889634)), -126.0, 127.0
    )
    # log(2) in two parts, the first so short that its product with k is exact.
    r = _op(code, "a - b", x, _op(code, "a * b", k, 0.693359375))
    r = _op(code, "a - b", r, _op(code, "a * b", k, -2.12194440e-4))
    fraction = _op(code, "exp2f(a)", _op(code, "a * b", r, 1.4426950408889634))
    return _op(code, "a * b", _op(code, "exp2f(a)", k), fraction)


def exp2(code: VectorCode, x: Vector) -> Vector:
    return _op(code, "exp2f(a)", x)


def exp10(code: VectorCode, x: Vector) -> Vector:
    """As `exp`, for base 10; log10(2) in two parts."""
    k = _clamp(
        code, _op(code, "roundf(a)", _op(code, "a * b", x, 3.321928094887362)), -126.0, 127.0
    )
    r = _op(code, "a - b", x, _op(code, "a * b", k, 0.30078125))
    r = _op(code, "a - b", r, _op(code, "a * b", k, 2.48745663981195213739e-4))
    fraction = _op(code, "exp2f(a)", _op(code, "a * b", r, 3.321928094887362))
    return _op(code, "a * b", _op(code, "exp2f(a)", k), fraction)


def _logarithm(scale: float) -> Callable[[VectorCode, Vector], Vector]:
    def log(code: VectorCode, x: Vector) -> Vector:
        binary = _op(code, "log2f(a)", x)
        return binary if scale == 1.0 else _op(code, "a * b", binary, scale)

    return log


def sigmoid(code: VectorCode, x: Vector) -> Vector:
    """`1 / (1 + exp(-x))`."""
    power = exp(code, _op(code, "a * b", x, -1.0))
    return _op(code, "1.0f / a", _op(code, "a + b", power, 1.0))


def quotient(code: VectorCode, a: Vector, b: Vector) -> Vector:
    """`a / b`; by the reciprocal where vectors have no division."""
    if code.has("a / b", _DTYPE, a, b):
        return _op(code, "a / b", a, b)
    return _op(code, "a * b", a, _op(code, "1.0f / a", b))


def _odd_rational(
    limit: float, above: Sequence[float], below: Sequence[float]
) -> Callable[[VectorCode, Vector], Vector]:
    """`x P(x²) / Q(x²)` on `[-limit, limit]`, constant outside."""

    def function(code: VectorCode, x: Vector) -> Vector:
        x = _clamp(code, x, -limit, limit)
        square = _op(code, "a * b", x, x)
        numerator = _op(code, "a * b", x, _polynomial(code, square, above))
        return quotient(code, numerator, _polynomial(code, square, below))

    return function


tanh = _odd_rational(  # 7 ulp
    7.90531110763549805,
    (
        -2.76076847742355e-16,
        2.00018790482477e-13,
        -8.60467152213735e-11,
        5.12229709037114e-08,
        1.48572235717979e-05,
        6.37261928875436e-04,
        4.89352455891786e-03,
    ),
    (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03),
)
erf = _odd_rational(  # 8 ulp
    4.0,
    (
        -2.72614225801306e-10,
        2.77068142495902e-08,
        -2.10102402082508e-06,
        -5.69250639462346e-05,
        -7.34990630326855e-04,
        -2.95459980854025e-03,
        -1.60960333262415e-02,
    ),
    (
        -1.45660718464996e-05,
        -2.13374055278905e-04,
        -1.68282697438203e-03,
        -7.37332916720468e-03,
        -1.42647390514189e-02,
    ),
)


def _instruction(meaning: str) -> Callable[[VectorCode, Vector], Vector]:
    return lambda code, x: _op(code, meaning, x)


def ceil(code: VectorCode, x: Vector) -> Vector:
    return _op(code, "a * b", _op(code, "floorf(a)", _op(code, "a * b", x, -1.0)), -1.0)


def _rounded(mode: str) -> Callable[[VectorCode, Vector], Vector]:
    """To an integer, as a conversion to int32 rounds; from 2**23 on all floats are integers."""

    def function(code: VectorCode, x: Vector) -> Vector:
        whole = code.conversion(f"__bang_float2int32_{mode}", x)
        small = _op(code, "a < b", _op(code, "fabsf(a)", x), float(1 << 23))
        return picked(code, small, code.conversion("__bang_int322float", whole), x)

    return function


FUNCTIONS: Mapping[str, Callable[[VectorCode, Vector], Vector]] = {
    "exp": exp,
    "exp2": exp2,
    "exp10": exp10,
    "log": _logarithm(0.6931471805599453),
    "log2": _logarithm(1.0),
    "log10": _logarithm(0.30102999566398120),
    "sigmoid": sigmoid,
    "tanh": tanh,
    "erf": erf,
    "ceil": ceil,
    "sqrt": _instruction("sqrtf(a)"),
    "rsqrt": _instruction("1.0f / sqrtf(a)"),
    "sin": _instruction("sinf(a)"),
    "cos": _instruction("cosf(a)"),
    "fabs": _instruction("fabsf(a)"),
    "floor": _instruction("floorf(a)"),
    "round": _instruction("roundf(a)"),
    "rint": _rounded("rn"),
    "nearbyint": _rounded("rn"),
    "trunc": _rounded("tz"),
}
"""By the name of the TIR operator."""
