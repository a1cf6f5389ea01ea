"""Scalar math functions: one row a function, for the frontends, the emulator and the emitters.

`tir` names the TIR intrinsic (without the `tirx.` prefix) that means the same; `None` marks a
function that a frontend writes out in terms of others. C names follow ISO C; CUDA and HIP share
them and add fast forms, which mean the same function with a larger error.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MathFunction:
    """`name` in double precision, `name`+`f` in single; `fast` lists CUDA's approximate forms."""

    name: str
    arity: int
    tir: str | None
    fast: tuple[str, ...] = ()

    @property
    def single(self) -> str:
        return self.name + "f"


MATH: tuple[MathFunction, ...] = (
    MathFunction("exp", 1, "exp", ("__expf",)),
    MathFunction("exp2", 1, "exp2", ("__exp2f",)),
    MathFunction("exp10", 1, "exp10", ("__exp10f",)),
    MathFunction("expm1", 1, None),
    MathFunction("log", 1, "log", ("__logf",)),
    MathFunction("log2", 1, "log2", ("__log2f",)),
    MathFunction("log10", 1, "log10", ("__log10f",)),
    MathFunction("log1p", 1, "log1p"),
    MathFunction("sqrt", 1, "sqrt", ("__fsqrt_rn",)),
    MathFunction("rsqrt", 1, "rsqrt", ("__frsqrt_rn",)),
    MathFunction("cbrt", 1, None),
    MathFunction("sin", 1, "sin", ("__sinf",)),
    MathFunction("cos", 1, "cos", ("__cosf",)),
    MathFunction("tan", 1, "tan", ("__tanf",)),
    MathFunction("asin", 1, "asin"),
    MathFunction("acos", 1, "acos"),
    MathFunction("atan", 1, "atan"),
    MathFunction("atan2", 2, "atan2"),
    MathFunction("sinh", 1, "sinh"),
    MathFunction("cosh", 1, "cosh"),
    MathFunction("tanh", 1, "tanh", ("__tanhf",)),
    MathFunction("erf", 1, "erf"),
    MathFunction("pow", 2, "pow", ("__powf",)),
    MathFunction("floor", 1, "floor"),
    MathFunction("ceil", 1, "ceil"),
    MathFunction("trunc", 1, "trunc"),
    MathFunction("round", 1, "round"),
    MathFunction("rint", 1, "nearbyint"),
    MathFunction("nearbyint", 1, "nearbyint"),
    MathFunction("fabs", 1, "fabs"),
    MathFunction("fmax", 2, None),
    MathFunction("fmin", 2, None),
    MathFunction("fmod", 2, "fmod"),
    MathFunction("fma", 3, None, ("__fmaf_rn",)),
    MathFunction("hypot", 2, "hypot"),
    MathFunction("copysign", 2, "copysign"),
)

BY_C_NAME: dict[str, MathFunction] = {
    name: row for row in MATH for name in (row.name, row.single, *row.fast)
}
BY_TIR_NAME: dict[str, MathFunction] = {row.tir: row for row in reversed(MATH) if row.tir}


@dataclass(frozen=True)
class Composed:
    """`name` in double precision, `name`+`f` in single, in terms of other functions.

    `meaning` is a C expression of the doubles `a`, `b`, `c`, `d`; the single form rounds it once.
    """

    name: str
    arity: int
    meaning: str

    @property
    def single(self) -> str:
        return self.name + "f"


COMPOSED: tuple[Composed, ...] = (
    Composed("rcbrt", 1, "1 / __builtin_cbrt(a)"),
    Composed("rhypot", 2, "1 / __builtin_hypot(a, b)"),
    Composed("norm3d", 3, "__builtin_hypot(__builtin_hypot(a, b), c)"),
    Composed("rnorm3d", 3, "1 / __builtin_hypot(__builtin_hypot(a, b), c)"),
    Composed("norm4d", 4, "__builtin_hypot(__builtin_hypot(a, b), __builtin_hypot(c, d))"),
    Composed("rnorm4d", 4, "1 / __builtin_hypot(__builtin_hypot(a, b), __builtin_hypot(c, d))"),
    Composed("sinpi", 1, "xp_sinpi(a)"),
    Composed("cospi", 1, "xp_cospi(a)"),
    Composed("normcdf", 1, "__builtin_erfc(a * -M_SQRT1_2) / 2"),
    Composed("normcdfinv", 1, "-M_SQRT2 * xp_erfcinv(2 * a)"),
    Composed("erfinv", 1, "xp_erfinv(a)"),
    Composed("erfcinv", 1, "xp_erfcinv(a)"),
    Composed("erfcx", 1, "xp_erfcx(a)"),
    Composed("j0", 1, "xp_j0(a)"),
    Composed("j1", 1, "xp_j1(a)"),
    Composed("y0", 1, "xp_y0(a)"),
    Composed("y1", 1, "xp_y1(a)"),
)
"""CUDA's and HIP's functions beyond ISO C, which TIR has no intrinsics for."""
