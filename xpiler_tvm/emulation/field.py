"""Texts over a finite field: what `field.h` is told, and how numbers travel.

A kernel whose results are polynomials of its inputs, or quotients of such, gives equal results for
equal polynomials when all its arithmetic is that of a finite field: no rounding, no order. An
element takes the bytes of the number that it stands for, so sizes, offsets and vector casts mean
what they did. Text with 16-bit numbers therefore takes a small prime.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from xpiler_tvm.dialects.math import MATH, MathFunction

FIELDS: Mapping[str, int] = MappingProxyType({"field": 2**31 - 1, "small field": 65521})
"""The prime of each build."""

_SIXTEEN = re.compile(r"half|bfloat16|bf16|_Float16|[._]f16\b")
# Polynomials, which field.h has.
_POLYNOMIAL = frozenset(("fma",))


def has_sixteen_bits(text: str) -> bool:
    """Whether a text names a 16-bit floating-point type."""
    return _SIXTEEN.search(text) is not None


def residue(number: float, prime: int) -> int:
    """A floating-point number, m / 2^e, in the field."""
    numerator, denominator = float(number).as_integer_ratio()
    return numerator * pow(denominator, -1, prime) % prime


def prelude(build: str, marker: str) -> str:
    """What follows the dialect's header; `marker` is the name that the kernel's lines go by."""
    functions = [_refused(row) for row in MATH if row.name not in _POLYNOMIAL]
    lines = [f"#define XP_PRIME {FIELDS[build]}ull", f'#define XP_MARKER "{marker}"']
    return "\n".join([*lines, '#include "field.h"', *functions])


def _refused(row: MathFunction) -> str:
    """A function that ends the run by name; a power with a constant exponent is a product."""
    names = (row.name, row.single, *row.fast)
    macro = f"XP_NO_FUNCTION_{row.arity}"
    result = "XpField<K>" if row.arity == 1 else "XpField<2>"
    if row.name == "pow":
        return "\n".join(f"XP_POWER({name})" for name in names)
    return "\n".join(f"{macro}({name}, {result})" for name in names)
