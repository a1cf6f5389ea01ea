"""Functions of CUDA and HIP on half and bfloat16 numbers and on pairs of them: one row a family.

A meaning is a C expression of the operands `a`, `b`, `c` as floats; the result is rounded once, to
nearest even, except where it says otherwise. Pairs do the same in each component.

Source: the half and bfloat16 chapters of the CUDA math API; HIP takes the names over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

TYPES: Mapping[str, str] = MappingProxyType({"half": "half2", "bfloat16": "bfloat162"})
"""The sixteen-bit types and their pairs."""


@dataclass(frozen=True)
class Sixteen:
    """`name` on numbers and `pair` on pairs, either None where there is none; `arity` operands."""

    name: str | None
    pair: str | None
    arity: int
    meaning: str


@dataclass(frozen=True)
class Comparison:
    """`relation` of `a` and `b`. With `unordered` it also holds where one of them is NaN.

    Forms: `__heq` (a truth value), `__heq2` (1 or 0 in each component), `__hbeq2` (of both
    components), `__heq2_mask` (0xffff or 0 in each half of a word); with a `u` after the relation
    where it is unordered.
    """

    relation: str
    operator: str
    unordered: bool

    @property
    def stem(self) -> str:
        return self.relation + "u" * self.unordered


@dataclass(frozen=True)
class Conversion:
    """From C type `source` to C type `target`, rounded `rn`, `rz`, `ru` or `rd`."""

    name: str
    source: str
    target: str
    rounding: str


def _arithmetic() -> tuple[Sixteen, ...]:
    rows = []
    for stem, meaning in (("add", "a + b"), ("sub", "a - b"), ("mul", "a * b")):
        rows += [
            Sixteen(f"__h{stem}", f"__h{stem}2", 2, meaning),
            Sixteen(f"__h{stem}_rn", f"__h{stem}2_rn", 2, meaning),
            Sixteen(f"__h{stem}_sat", f"__h{stem}2_sat", 2, f"xp_saturate({meaning})"),
        ]
    fused = "xp_fused(a, b, c)"
    return (
        *rows,
        Sixteen("__hdiv", "__h2div", 2, "a / b"),
        Sixteen("__hfma", "__hfma2", 3, fused),
        Sixteen("__hfma_sat", "__hfma2_sat", 3, f"xp_saturate({fused})"),
        Sixteen("__hfma_relu", "__hfma2_relu", 3, f"xp_relu({fused})"),
        Sixteen("__hneg", "__hneg2", 1, "-a"),
        Sixteen("__habs", "__habs2", 1, "__builtin_fabsf(a)"),
        Sixteen("__hmax", "__hmax2", 2, "xp_larger(a, b)"),
        Sixteen("__hmin", "__hmin2", 2, "-xp_larger(-a, -b)"),
        Sixteen("__hmax_nan", "__hmax2_nan", 2, "xp_unordered(a, b) ? a + b : xp_larger(a, b)"),
        Sixteen("__hmin_nan", "__hmin2_nan", 2, "xp_unordered(a, b) ? a + b : -xp_larger(-a, -b)"),
        Sixteen(None, "__hisnan2", 1, "a != a"),
    )


_FUNCTIONS = (
    ("exp", "__builtin_expf(a)"),
    ("exp2", "__builtin_exp2f(a)"),
    ("exp10", "xp_exp10(a)"),
    ("log", "__builtin_logf(a)"),
    ("log2", "__builtin_log2f(a)"),
    ("log10", "__builtin_log10f(a)"),
    ("sqrt", "__builtin_sqrtf(a)"),
    ("rsqrt", "1.0f / __builtin_sqrtf(a)"),
    ("rcp", "1.0f / a"),
    ("sin", "__builtin_sinf(a)"),
    ("cos", "__builtin_cosf(a)"),
    ("tanh", "__builtin_tanhf(a)"),
    ("tanh_approx", "__builtin_tanhf(a)"),
    ("floor", "__builtin_floorf(a)"),
    ("ceil", "__builtin_ceilf(a)"),
    ("trunc", "__builtin_truncf(a)"),
    ("rint", "__builtin_rintf(a)"),
)

SIXTEEN: tuple[Sixteen, ...] = (
    *_arithmetic(),
    *(Sixteen(f"h{name}", f"h2{name}", 1, meaning) for name, meaning in _FUNCTIONS),
)

COMPARISONS: tuple[Comparison, ...] = tuple(
    Comparison(relation, operator, unordered)
    for relation, operator in (
        ("eq", "=="),
        ("ne", "!="),
        ("lt", "<"),
        ("le", "<="),
        ("gt", ">"),
        ("ge", ">="),
    )
    for unordered in (False, True)
)

ROUNDINGS = ("rn", "rz", "ru", "rd")
_INTEGERS = {
    "char": "signed char",
    "uchar": "unsigned char",
    "short": "short",
    "ushort": "unsigned short",
    "int": "int",
    "uint": "unsigned",
    "ll": "long long",
    "ull": "unsigned long long",
}


def _conversions() -> tuple[Conversion, ...]:
    rows = []
    for sixteen in TYPES:
        for rounding in ROUNDINGS:
            for name, kind in _INTEGERS.items():
                # Bytes are only ever truncated to.
                if "char" in name and rounding != "rz":
                    continue
                rows.append(Conversion(f"__{sixteen}2{name}_{rounding}", sixteen, kind, rounding))
                if "char" not in name:
                    rows.append(
                        Conversion(f"__{name}2{sixteen}_{rounding}", kind, sixteen, rounding)
                    )
            rows.append(Conversion(f"__float2{sixteen}_{rounding}", "float", sixteen, rounding))
        rows.append(Conversion(f"__float2{sixteen}", "float", sixteen, "rn"))
        rows.append(Conversion(f"__double2{sixteen}", "double", sixteen, "rn"))
        rows.append(Conversion(f"__{sixteen}2float", sixteen, "float", "rn"))
    return tuple(rows)


CONVERSIONS: tuple[Conversion, ...] = _conversions()
