"""BANG C's conversions between element types, of vectors in NRAM and of scalars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "half": "float16",
        "float": "float32",
        "bfloat16": "bfloat16",
        "int4": "int4",
        "int8": "int8",
        "int16": "int16",
        "int32": "int32",
        "int": "int32",  # the older toolkits' name
    }
)
"""Types as the names of conversions spell them. Two int4 share a byte, the lower half first."""

ROUNDINGS: Mapping[str, str] = MappingProxyType(
    {
        "rd": "copysign(floor(fabs(x) + 0.5), x)",  # to the nearest, halves away from zero
        "rn": "rint(x)",  # to the nearest, halves to even
        "rm": "floor(x + 0.5)",  # to the nearest, halves up; the vendor says "mathematical"
        "tz": "trunc(x)",  # towards zero
        "oz": "copysign(ceil(fabs(x)), x)",  # away from zero
        "up": "ceil(x)",
        "dn": "floor(x)",
    }
)
"""Rounding of `x`, a number in units of the last place that the result can have."""

_BITS = {"int4": 4, "int8": 8, "int16": 16, "int32": 32}
_PRECISION = {"float16": 11, "bfloat16": 8, "float32": 24}
_LARGEST_EXPONENT = {"float16": 16, "bfloat16": 128, "float32": 128}


@dataclass(frozen=True)
class Conversion:
    """`name(dst, src, n[, position])`: elements of another type.

    Integers are fixed-point numbers, worth their bits times 2**position: `dst = src / 2**position`
    where the target is one, `src * 2**position` where the source is. With integers on both sides
    there is no position. Rounding is `ROUNDINGS[mode]`, then integers saturate; NaN becomes 0.

    Attributes
    ----------
    mode : a key of `ROUNDINGS`; empty where nothing is rounded, or to the nearest even.
    """

    name: str
    source: str
    target: str
    mode: str = ""

    @property
    def position(self) -> bool:
        """Whether there is a last argument for the position, which may be left out."""
        return (self.source in _BITS) != (self.target in _BITS)

    @property
    def in_place(self) -> bool:
        """Narrowing overwrites what it has read; widening would overwrite what it has not."""
        return _size(self.target) <= _size(self.source)


def _size(dtype: str) -> int:
    return _BITS.get(dtype) or {"float16": 16, "bfloat16": 16, "float32": 32}[dtype]


def _exact(source: str, target: str) -> bool:
    """Whether `target` holds every value of `source`."""
    if target in _BITS:
        return source in _BITS and _BITS[source] < _BITS[target]
    if source in _BITS:
        return _BITS[source] - 1 <= _PRECISION[target]
    return (
        _PRECISION[source] <= _PRECISION[target]
        and _LARGEST_EXPONENT[source] <= _LARGEST_EXPONENT[target]
    )


def _rows() -> tuple[Conversion, ...]:
    rows = []
    for first, source in NAMES.items():
        for second, target in NAMES.items():
            if source == target:
                continue
            plain = f"__bang_{first}2{second}"
            # What makes a float of an integer has a name without a mode, exact or not.
            if _exact(source, target) or (source in _BITS and target not in _BITS):
                rows.append(Conversion(plain, source, target))
            if not _exact(source, target):
                rows += [Conversion(f"{plain}_{mode}", source, target, mode) for mode in ROUNDINGS]
    return tuple(rows)


CONVERSIONS: tuple[Conversion, ...] = _rows()
"""Every pair of types. `__A2B` without `bang` is the same for one value (not for int4)."""
