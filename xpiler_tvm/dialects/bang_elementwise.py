"""BANG C's vector operations: element by element, from vectors in NRAM to a vector in NRAM."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from .bang import ALIGN

Operand = Literal["vector", "scalar", "cycle"]

FLOAT = ("float32",)
FLOATS = ("float16", "bfloat16", "float32")
HALF_FLOAT = ("float16", "float32")
WORDS = ("int16", "uint16", "int32", "uint32")
BITS = ("int8", "uint8", *WORDS)


@dataclass(frozen=True)
class Elementwise:
    """One row: `name(dst, operands…, scratch…, n[, period])`, `dst[i] = meaning` for `i < n`.

    Attributes
    ----------
    operands : what each source is. A `vector` has `n` elements, a `scalar` is one value of the
        vectors' type, a `cycle` has `period` elements and is read at `i % period`;
        `period` is then the last argument and divides `n`.
    dtypes : element types of all operands and of the result.
    meaning : a C expression of the operands, named `a`, `b`, `c` in order. Half operands are
        computed in float and rounded once.
    scratch : how many vectors of `n` elements are clobbered.
    in_place : whether `dst` may be one of the sources (exactly; never a partial overlap).
    error : bound of the relative error in float32 as published or measured; 0 where the result
        is that of the C expression, `None` where no figure is public and the vendor calls
        the function accurate.
    domain : for approximations, the interval of `a` in which `error` holds.
    below, above : what the hardware gives outside that interval, as expressions of `a`; empty
        where that is undefined.
    condition : what `a` must satisfy besides, as an expression; the result is undefined elsewhere.
    informal : element types that public kernels use it for although no header has them.
    packed : the results are bits, eight to a byte from the lowest; `n` is a multiple of 8.
    multiple : bytes of which the size of the operands is a multiple.
    archs : where it exists; empty for all of `ARCHS`.
    selector : a first argument that picks the operation (`__bang_fusion`).
    """

    name: str
    operands: tuple[Operand, ...]
    dtypes: tuple[str, ...]
    meaning: str
    scratch: int = 0
    in_place: bool = True
    error: float | None = 0.0
    domain: tuple[float, float] | None = None
    below: str = ""
    above: str = ""
    condition: str = ""
    informal: tuple[str, ...] = ()
    packed: bool = False
    multiple: int = 1
    archs: tuple[str, ...] = ()
    selector: str = ""

    @property
    def accurate(self) -> bool:
        """Good enough to stand for the C function: a few units in the last place."""
        return self.domain is None and (self.error is None or self.error <= 1e-6)

    def on(self, arch: str) -> bool:
        return not self.archs or arch in self.archs


def _binary(name: str, meaning: str, dtypes: tuple[str, ...]) -> tuple[Elementwise, ...]:
    """`name` on two vectors and `name_scalar` on a vector and a scalar."""
    return (
        Elementwise(f"__bang_{name}", ("vector", "vector"), dtypes, meaning),
        Elementwise(f"__bang_{name}_scalar", ("vector", "scalar"), dtypes, meaning),
    )


def _unary(
    name: str,
    meaning: str,
    dtypes: tuple[str, ...] = HALF_FLOAT,
    *,
    error: float | None = 0.0,
    informal: tuple[str, ...] = (),
) -> Elementwise:
    return Elementwise(
        f"__bang_{name}", ("vector",), dtypes, meaning, error=error, informal=informal
    )


def _exact(name: str, meaning: str) -> Elementwise:
    """An accurate function. The vendor publishes no table of their errors."""
    return _unary(name, meaning, FLOAT, error=None, informal=("float16",))


def _active(
    name: str,
    meaning: str,
    error: float,
    domain: tuple[float, float],
    *outside: str,
    condition: str = "",
) -> Elementwise:
    """A table look-up of the activation unit. `outside`: what it gives below, and above."""
    below, above = (*outside, "", "")[:2]
    return Elementwise(
        f"__bang_active_{name}",
        ("vector",),
        HALF_FLOAT,
        meaning,
        error=error,
        domain=domain,
        below=below,
        above=above,
        condition=condition,
    )


_ARITHMETIC: tuple[Elementwise, ...] = (
    *_binary("add", "a + b", (*FLOATS, "int16", "int32")),
    *_binary("sub", "a - b", (*FLOATS, "int16", "int32")),
    *_binary("mul", "a * b", (*FLOATS, "int16", "int32")),
    # The old names of the scalar forms; still accepted, never emitted.
    Elementwise("__bang_add_const", ("vector", "scalar"), HALF_FLOAT, "a + b"),
    Elementwise("__bang_sub_const", ("vector", "scalar"), HALF_FLOAT, "a - b"),
    Elementwise("__bang_mul_const", ("vector", "scalar"), HALF_FLOAT, "a * b"),
    Elementwise(
        "__bang_div", ("vector", "vector"), (*HALF_FLOAT, *WORDS), "a / b", archs=("mtp_592",)
    ),
    Elementwise(
        "__bang_div", ("vector", "scalar"), (*HALF_FLOAT, *WORDS), "a / b", archs=("mtp_592",)
    ),
    # All four vectors distinct.
    Elementwise(
        "__bang_div",
        ("vector", "vector"),
        HALF_FLOAT,
        "a / b",
        scratch=1,
        in_place=False,
        error=None,
        multiple=ALIGN,
    ),
    # The sign of the remainder is not documented; as in C.
    Elementwise("__bang_rem", ("vector", "vector"), WORDS, "a % b"),
    Elementwise("__bang_rem", ("vector", "vector"), FLOAT, "fmodf(a, b)"),
    Elementwise("__bang_maxequal", ("vector", "vector"), HALF_FLOAT, "a >= b ? a : b"),
    Elementwise("__bang_minequal", ("vector", "vector"), HALF_FLOAT, "a <= b ? a : b"),
    Elementwise("__bang_maxeq_scalar", ("vector", "scalar"), HALF_FLOAT, "a >= b ? a : b"),
    Elementwise("__bang_mineq_scalar", ("vector", "scalar"), HALF_FLOAT, "a <= b ? a : b"),
    # These two differ from the above at NaN: the other operand wins.
    Elementwise("__bang_maximum", ("vector", "vector"), HALF_FLOAT, "fmaxf(a, b)"),
    Elementwise("__bang_minimum", ("vector", "vector"), HALF_FLOAT, "fminf(a, b)"),
    Elementwise("__bang_nan_maximum", ("vector", "vector"), HALF_FLOAT, "a != a || a > b ? a : b"),
    Elementwise("__bang_nan_minimum", ("vector", "vector"), HALF_FLOAT, "a != a || a < b ? a : b"),
    _unary("square", "a * a"),
    _unary("abs", "fabsf(a)"),
    _unary("active_abs", "fabsf(a)"),
    _unary("neg", "-a"),
    _unary("floor", "floorf(a)"),
    # Half away from zero; the vendor's page says "nearest" only.
    _unary("round", "roundf(a)"),
    _unary("relu", "a > 0 ? a : 0", FLOATS),
    Elementwise("__bang_relun", ("vector", "scalar"), FLOATS, "a < 0 ? 0 : a > b ? b : a"),
    _unary("active_relu", "a > 0 ? a : 0"),
    # +1 at zero too, unlike the sign of most frameworks.
    _unary("active_sign", "a >= 0 ? 1 : -1"),
)

_SIGMOID = "1.0f / (1.0f + expf(-a))"
# Whether gelu and gelup follow the erf or the tanh form is not stated.
_GELU = "0.5f * a * (1.0f + erff(a * 0.70710678f))"

_MATH: tuple[Elementwise, ...] = (
    _exact("sin", "sinf(a)"),
    _exact("cos", "cosf(a)"),
    _exact("sqrt", "sqrtf(a)"),
    _exact("rsqrt", "1.0f / sqrtf(a)"),
    _exact("recip", "1.0f / a"),
    _exact("pow2", "exp2f(a)"),
    # A trap: the binary logarithm under the natural one's name. Newer toolkits say log2.
    _exact("log", "log2f(a)"),
    _exact("log2", "log2f(a)"),
    # Ranges as the vendor's headers state them; saturation at the upper end of exp is measured.
    _active("exp", "expf(a)", 1e-2, (-7.75, 10.25), "5.96e-8f", "expf(10.25f)"),
    _active("exphp", "expf(a)", 3e-3, (-15.0, 16.0), "3e-7f"),
    # The headers give no lower end; it is taken to be that of exp.
    _active("exp_less_0", "expf(a)", 3e-3, (-7.75, 0.0), "5.96e-8f"),
    _active("recip", "1.0f / a", 3e-3, (0.00391, 63487.0)),
    _active("reciphp", "1.0f / a", 4e-4, (0.00391, 2e6)),
    _active("recip_greater_1", "1.0f / a", 3e-3, (1.0, 63487.0)),
    _active("sqrt", "sqrtf(a)", 1e-2, (0.0, 63487.0)),
    _active("sqrthp", "sqrtf(a)", 4.6e-5, (0.0, 63487.0)),
    _active("rsqrt", "1.0f / sqrtf(a)", 1e-2, (0.00391, 63487.0)),
    _active("rsqrthp", "1.0f / sqrtf(a)", 8e-6, (0.00391, 63487.0)),
    _active("log", "logf(a)", 1e-2, (6.1e-5, 63484.0)),
    _active("loghp", "logf(a)", 6e-6, (6.1e-5, 63484.0)),
    _active("sin", "sinf(a)", 1e-2, (-6.2832, 6.2832)),
    _active("cos", "cosf(a)", 1e-2, (-6.2832, 6.2832)),
    # No range is stated; beyond that of sigmoid the function is 1 to all bits of a half.
    _active("tanh", "tanhf(a)", 1e-2, (-7.75, 7.75), "-1.0f", "1.0f"),
    _active("sigmoid", _SIGMOID, 1e-2, (-7.75, 7.75), "0.0f", "1.0f"),
    _active("gelu", _GELU, 3e-3, (-3.875, inf), "-5.96e-8f"),
    _active("gelup", _GELU, 4.1e-3, (-3.875, inf), "-5.96e-8f"),
    _active("pow2", "exp2f(a)", 0.0, (-31.0, 31.0), condition="a == rintf(a)"),
    # No vendor header has it; public kernels use it on half.
    _unary("sigmoid", _SIGMOID, (), error=1e-2, informal=HALF_FLOAT),
    *(
        Elementwise(
            f"__bang_taylor{order}_{name}", ("vector",), HALF_FLOAT, meaning,
            scratch=2, in_place=False, error=error,
        )
        for order, error in ((3, 1e-6), (4, 1e-7))
        for name, meaning in (
            ("sigmoid", _SIGMOID),
            ("tanh", "tanhf(a)"),
            ("sin", "sinf(a)"),
            ("cos", "cosf(a)"),
            ("softplus", "log1pf(expf(a))"),
        )
    ),
)  # fmt: skip

_COMPARISONS: tuple[tuple[str, str], ...] = (
    ("eq", "a == b"),
    ("ne", "a != b"),
    ("lt", "a < b"),
    ("le", "a <= b"),
    ("gt", "a > b"),
    ("ge", "a >= b"),
)

_LOGIC: tuple[Elementwise, ...] = (
    # Truth is 1 and 0 in the operands' own type.
    *(
        row
        for name, meaning in _COMPARISONS
        for row in _binary(name, meaning, (*HALF_FLOAT, "int16", "int32"))
    ),
    *(
        Elementwise(
            f"__bang_{name}_bitindex", ("vector", "vector"), HALF_FLOAT, meaning, packed=True
        )
        for name, meaning in _COMPARISONS
    ),
    Elementwise("__bang_and", ("vector", "vector"), HALF_FLOAT, "a != 0 && b != 0"),
    Elementwise("__bang_or", ("vector", "vector"), HALF_FLOAT, "a != 0 || b != 0"),
    Elementwise("__bang_xor", ("vector", "vector"), HALF_FLOAT, "(a != 0) != (b != 0)"),
    Elementwise("__bang_not", ("vector",), HALF_FLOAT, "a == 0"),
    Elementwise("__bang_band", ("vector", "vector"), BITS, "a & b"),
    Elementwise("__bang_bor", ("vector", "vector"), BITS, "a | b"),
    Elementwise("__bang_bxor", ("vector", "vector"), BITS, "a ^ b"),
    Elementwise("__bang_bnot", ("vector",), BITS, "~a"),
)

_CYCLE: tuple[Elementwise, ...] = tuple(
    Elementwise(f"__bang_cycle_{name}", ("vector", "cycle"), dtypes, meaning)
    for name, dtypes, meaning in (
        ("add", HALF_FLOAT, "a + b"),
        ("sub", HALF_FLOAT, "a - b"),
        ("mul", HALF_FLOAT, "a * b"),
        ("maxequal", HALF_FLOAT, "a >= b ? a : b"),
        ("minequal", HALF_FLOAT, "a <= b ? a : b"),
        *((name, HALF_FLOAT, meaning) for name, meaning in _COMPARISONS),
        ("and", HALF_FLOAT, "a != 0 && b != 0"),
        ("or", HALF_FLOAT, "a != 0 || b != 0"),
        ("band", BITS, "a & b"),
        ("bor", BITS, "a | b"),
    )
)

_FUSED: tuple[Elementwise, ...] = tuple(
    Elementwise("__bang_fusion", operands, HALF_FLOAT, meaning, selector=f"FUSION_{name}")
    for name, meaning in (
        ("FMA", "a * b + c"),
        ("FMS", "a * b - c"),
        ("FAM", "(a + b) * c"),
        ("FSM", "(a - b) * c"),
        ("FAA", "a + b + c"),
        ("FAS", "a + b - c"),
        ("FSS", "a - b - c"),
        ("FSA", "a - b + c"),
    )
    # Both further operands repeat with one period, which is always the last argument.
    for operands in (
        ("vector", "cycle", "cycle"),
        ("vector", "cycle", "scalar"),
        ("vector", "scalar", "cycle"),
        ("vector", "scalar", "scalar"),
    )
)

ELEMENTWISE: tuple[Elementwise, ...] = (*_ARITHMETIC, *_MATH, *_LOGIC, *_CYCLE, *_FUSED)
"""Everything that maps vectors in NRAM to a vector in NRAM element by element."""
