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
