"""Which lane a lane of a warp or wave reads, stated once: shuffles, AMD's DPP and swizzles.

Sources: PTX (`shfl`), HIP's `__shfl` functions, AMD's CDNA and RDNA ISA documents (DPP controls,
`ds_swizzle_b32`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Form = Literal["", "up", "down", "xor"]
"""The forms of `__shfl`, by what follows the name."""


@dataclass(frozen=True)
class Arithmetic:
    """The operations that lanes are computed with, on integers or on expressions of a compiler.

    `remainder` is that of a division that rounds down; `select` takes a test and two values.
    """

    remainder: Callable[[Any, Any], Any]
    xor: Callable[[Any, Any], Any]
    select: Callable[[Any, Any, Any], Any]
    less: Callable[[Any, Any], Any]


INTEGERS = Arithmetic(operator.mod, operator.xor, lambda t, a, b: a if t else b, operator.lt)


def shuffle_source(
    form: Form, lane: Any, by: Any, width: Any, arithmetic: Arithmetic = INTEGERS
) -> Any:
    """The lane that `lane` reads in `__shfl{form}(value, by, width)`.

    Lanes form segments of `width`, a power of two. A lane that would read outside its segment reads
    itself; the plain form takes `by` modulo the width. `xor` may read a segment before its own.
    """
    place = arithmetic.remainder(lane, width)
    start = lane - place
    if form == "":
        return start + arithmetic.remainder(by, width)
    if form == "xor":
        other = arithmetic.xor(lane, by)
        return arithmetic.select(arithmetic.less(other, start + width), other, lane)
    if form == "down":
        return arithmetic.select(arithmetic.less(place + by, width), lane + by, lane)
    return arithmetic.select(arithmetic.less(place, by), lane, lane - by)


ROW = 16
"""Lanes of a row, within which most of DPP happens."""


def dpp_source(control: int, lane: int, lanes: int) -> int | None:
    """The lane that `lane` of `lanes` reads under a DPP `control`; None where there is none.

    Covers quad_perm (0 to 0xFF), row_shl, row_shr, row_ror (0x101 to 0x12F), row_mirror,
    row_half_mirror, row_share (0x150 to 0x15F); with 64 lanes the wave shifts and rotations by one
    (0x130 to 0x13C), row_bcast15 and row_bcast31; with 32 row_xmask (0x160 to 0x16F).

    Raises
    ------
    ValueError
        The device has no such control.
    """
    row, place, amount = lane - lane % ROW, lane % ROW, control % ROW
    if 0 <= control <= 0xFF:
        return lane - lane % 4 + (control >> 2 * (lane % 4) & 3)
    if 0x101 <= control <= 0x10F:
        return lane + amount if place + amount < ROW else None
    if 0x111 <= control <= 0x11F:
        return lane - amount if place >= amount else None
    if 0x121 <= control <= 0x12F:
        return row + (place - amount) % ROW
    if 0x150 <= control <= 0x15F:
        return row + amount
    if control == 0x140:
        return row + ROW - 1 - place
    if control == 0x141:
        return lane - lane % 8 + 7 - lane % 8
    if lanes == 32:
        if 0x160 <= control <= 0x16F:
            return row + (place ^ amount)
    elif control in (0x130, 0x138):
        source = lane + (1 if control == 0x130 else -1)
        return source if 0 <= source < lanes else None
    elif control in (0x134, 0x13C):
        return (lane + (1 if control == 0x134 else -1)) % lanes
    elif control == 0x142:
        return row - 1 if row else None
    elif control == 0x143:
        return 31 if lane >= 32 else None
    raise ValueError(f"a device of {lanes} lanes has no DPP control {control:#x}")


def swizzle_source(pattern: int, lane: int) -> int:
    """The lane that `lane` reads in `ds_swizzle` with `pattern`.

    Bit 15 set: the low byte permutes each four lanes. Else the low five bits of the lane number are
    taken `and` bits 0-4, `or` bits 5-9, `xor` bits 10-14 of the pattern; groups have 32 lanes.
    """
    if pattern & 0x8000:
        return lane - lane % 4 + (pattern >> 2 * (lane % 4) & 3)
    keep, set_bits, flip = pattern & 31, pattern >> 5 & 31, pattern >> 10 & 31
    return lane - lane % 32 + ((lane % 32 & keep | set_bits) ^ flip)
