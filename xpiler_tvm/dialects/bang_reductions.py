"""BANG C's reductions, counts and packings of vectors in NRAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .bang_elementwise import FLOATS, HALF_FLOAT

BLOCK_BYTES = 128
"""Bytes of a block of `__bang_reduce_sum`."""

NONE_FOUND = 0xFFFFFFFF
"""The index where no element is found."""

Result = Literal["blocks", "returned", "word"]


@dataclass(frozen=True)
class Fold:
    """`r` starts as `start` and becomes `step` for each element `a` of index `i`, in order.

    Attributes
    ----------
    result : where `r` goes. `blocks`: `name(dst, src, n)` folds each `BLOCK_BYTES` and stores at
        the first element of the block in `dst`, whose other elements stay. `returned`:
        `name(src, n)` returns it. `word`: `name(dst, src, n)` stores one unsigned 32-bit word.
    dtypes : element types. Sixteen-bit floats are folded in float and rounded once; the order in
        which the hardware adds is not documented.
    """

    name: str
    start: str
    step: str
    result: Result
    dtypes: tuple[str, ...] = FLOATS


FOLDS: tuple[Fold, ...] = (
    Fold("__bang_reduce_sum", "0.0f", "r + a", "blocks"),
    Fold("__bang_sum", "0.0f", "r + a", "returned"),
    Fold("__bang_count", "0u", "a != 0 ? r + 1u : r", "word"),
    Fold("__bang_findfirst1", f"{NONE_FOUND}u", f"r == {NONE_FOUND}u && a != 0 ? i : r", "word"),
    Fold("__bang_findlast1", f"{NONE_FOUND}u", "a != 0 ? i : r", "word"),
)


@dataclass(frozen=True)
class Extreme:
    """`name(dst, src, n)`: `dst[0]` is the best element, its index follows in the next word.

    An element `a` replaces the best one so far, `r`, where `better`: the first of equals stays.
    Of the index, a half vector's next element holds the low sixteen bits.
    """

    name: str
    better: str
    dtypes: tuple[str, ...] = HALF_FLOAT


EXTREMES: tuple[Extreme, ...] = (
    # The old names, of architectures before 322; newer toolkits still know them.
    Extreme("__bang_max", "a > r"),
    Extreme("__bang_min", "a < r"),
    Extreme("__bang_argmax", "a > r"),
    Extreme("__bang_argmin", "a < r"),
)

HEADER_BYTES = 128
"""Bytes in front of the elements that `__bang_select` packs; their first word is the count."""

Count = Literal["none", "returned", "header"]


@dataclass(frozen=True)
class Packing:
    """`name(dst, src, mask, n)`: elements whose mask is not zero, one after the other.

    `count` says where their number goes. What lies in `dst` behind them stays.
    """

    name: str
    count: Count
    dtypes: tuple[str, ...] = HALF_FLOAT


PACKINGS: tuple[Packing, ...] = (
    Packing("__bang_select", "header"),
    Packing("__bang_collect", "none"),
    Packing("__bang_filter", "returned"),
)


@dataclass(frozen=True)
class Atomic:
    """`name(dst, src, n)`: `dst[i]` in GDRAM becomes `meaning` of it, `r`, and `a` in NRAM."""

    name: str
    meaning: str
    dtypes: tuple[str, ...]


_NUMBERS = (*FLOATS, "int16", "int32", "uint16", "uint32")
_INTEGERS = ("int16", "int32", "uint16", "uint32")

ATOMICS: tuple[Atomic, ...] = (
    Atomic("__bang_atomic_reduce_add", "r + a", _NUMBERS),
    Atomic("__bang_atomic_reduce_max", "a > r ? a : r", _NUMBERS),
    Atomic("__bang_atomic_reduce_min", "a < r ? a : r", _NUMBERS),
    Atomic("__bang_atomic_reduce_and", "r & a", _INTEGERS),
    Atomic("__bang_atomic_reduce_or", "r | a", _INTEGERS),
    Atomic("__bang_atomic_reduce_xor", "r ^ a", _INTEGERS),
)
