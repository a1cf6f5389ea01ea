"""x86's vector intrinsics: what a row of their tables is, and the rows by name.

An intrinsic makes the lanes of a register, the bits of a mask or a number, or it stores lanes. A
row says what lane `i` is, as a C expression of the lanes of its operands: `_mm512_add_epi8` is
`a[i] + b[i]` for 64 lanes of type int8. Names of one family differ in width, element type and mask;
the tables' helpers write these out.

Approximations (`_mm512_rcp14_ps`) mean the function that they approximate, to within `error`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Grain = Literal["exact", "bits", "move"]


@dataclass(frozen=True)
class Vector:
    """A register of `lanes` numbers of type `dtype`; `register` is its C type."""

    dtype: str
    lanes: int
    register: str


@dataclass(frozen=True)
class Mask:
    """An integer whose bit `i` belongs to lane `i`."""

    lanes: int


@dataclass(frozen=True)
class Scalar:
    dtype: str


@dataclass(frozen=True)
class Immediate:
    """An int constant."""


@dataclass(frozen=True)
class Memory:
    """A pointer to numbers of type `dtype`, at any address, or at multiples of `aligned` bytes."""

    dtype: str
    written: bool = False
    aligned: int = 1


Kind = Vector | Mask | Scalar | Immediate | Memory


@dataclass(frozen=True)
class Operand:
    name: str
    kind: Kind


@dataclass(frozen=True)
class Intrinsic:
    """One row.

    Attributes
    ----------
    operands : in the order of the call.
    result : `None` where it stores.
    meaning : lane `i` of the result, or of what is stored, as a C expression of the operands.
        Registers, masks and memory have subscripts. Conversion to the result's type is implied.
    grain : `bits` where the meaning holds for lanes of any size, `move` where lanes are only
        moved, and so parts of them are moved alike.
    fold : how the meanings of all `lanes` become one number: `+`, `*`, `&`, `|`, `min` or `max`.
    target : the place that is stored to, as a C expression; only where `where` holds, if that is
        given.
    lanes : how many lanes are folded or stored.
    error : bound of the relative error against the meaning; 0 where it is exact.
    native : whether the compilers that the emulator uses know it.
    """

    name: str
    operands: tuple[Operand, ...]
    result: Vector | Mask | Scalar | None
    meaning: str
    grain: Grain = "exact"
    fold: str = ""
    lanes: int = 0
    target: str = ""
    where: str = ""
    error: float = 0.0
    native: bool = True


WIDTHS = (512, 256, 128)
PREFIX = {512: "_mm512", 256: "_mm256", 128: "_mm"}
SUFFIX = {
    "epi8": "int8",
    "epu8": "uint8",
    "epi16": "int16",
    "epu16": "uint16",
    "epi32": "int32",
    "epu32": "uint32",
    "epi64": "int64",
    "epu64": "uint64",
    "ps": "float32",
    "pd": "float64",
}
BITS = {dtype: int(dtype.lstrip("uintfloa")) for dtype in (*SUFFIX.values(), "float16")}
BYTES = ("epi8", "epi16")
WORDS = ("epi32", "epi64")
SIGNED = BYTES + WORDS
UNSIGNED = ("epu8", "epu16", "epu32", "epu64")
FLOATS = ("ps", "pd")
REGISTERS: dict[str, tuple[str, int]] = {
    f"__m{width}{letter}": (dtype, width)
    for width in WIDTHS
    for letter, dtype in (("", "float32"), ("d", "float64"), ("i", "int64"))
}
"""The C types of registers: element type and bits."""


def register_of(dtype: str, width: int) -> str:
    letter = {"float32": "", "float64": "d"}.get(dtype, "i")
    return f"__m{width}{letter}"


def vector(dtype: str, width: int, *, lanes: int = 0, register: str = "") -> Vector:
    """A register of `width` bits whose lanes, all or the first few, are of type `dtype`."""
    return Vector(dtype, lanes or width // BITS[dtype], register or register_of(dtype, width))


def subscripted(meaning: str, names: Iterable[str]) -> str:
    """`a + b` as `a[i] + b[i]`."""
    return re.sub(rf"\b({'|'.join(names)})\b(?!\[)", r"\1[i]", meaning)


Form = Literal["plain", "mask", "maskz", "mask3"]
MASKED: tuple[Form, ...] = ("plain", "mask", "maskz")


def forms(
    width: int,
    name: str,
    operands: tuple[Operand, ...],
    result: Vector,
    meaning: str,
    *,
    which: tuple[Form, ...] = MASKED,
    **about: object,
) -> list[Intrinsic]:
    """`name` of a width, and its forms that take a lane from elsewhere where a mask has no bit.

    `mask` takes it from a further first operand `src`; where the operation itself adds to `src`,
    or the first operand is `a` of a fused one, from that. `mask3` takes it from the last operand.
    """
    made = []
    for form in which:
        middle = "" if form == "plain" else f"_{form}"
        full = f"{PREFIX[width]}{middle}_{name}"
        mask = Operand("k", Mask(result.lanes))
        given, whole = operands, meaning
        if form == "maskz":
            given, whole = (mask, *operands), f"k[i] ? {meaning} : 0"
        elif form == "mask3":
            given, whole = (*operands, mask), f"k[i] ? {meaning} : {operands[-1].name}[i]"
        elif form == "mask":
            first = operands[0]
            updates = first.name in ("src", "x") and isinstance(first.kind, Vector)
            if updates:
                given = (first, mask, *operands[1:])
            else:
                first = Operand("src", result)
                given = (first, mask, *operands)
            whole = f"k[i] ? {meaning} : {first.name}[i]"
        if form != "plain":  # a mask is for lanes of one size
            about = {**about, "grain": "exact"}
        made.append(Intrinsic(full, given, result, whole, **about))  # type: ignore[arg-type]
    return made


def lanewise(
    name: str,
    meaning: str,
    suffixes: Iterable[str],
    *,
    widths: Iterable[int] = WIDTHS,
    masked: bool = True,
    unsigned: bool = False,
    **about: object,
) -> list[Intrinsic]:
    """`name_suffix` of each width: lane `i` is made of lanes `i` of the operands.

    `meaning` names the operands by single letters, without subscripts: `a`, `b`, `c`, and `x`, `y`,
    `z` for those of fused operations, whose first one the masked forms keep. `imm` is a constant.
    """
    used = sorted(set(re.findall(r"\b[abcxyz]\b", meaning)))
    made = []
    for suffix in suffixes:
        dtype = SUFFIX[suffix]
        for width in widths:
            kind = vector(dtype.replace("int", "uint") if unsigned else dtype, width)
            operands = [Operand(letter, kind) for letter in used]
            if re.search(r"\bimm\b", meaning):
                operands.append(Operand("imm", Immediate()))
            which: tuple[Form, ...] = MASKED if masked else ("plain",)
            if masked and "x" in used:
                which = (*MASKED, "mask3")
            whole = typed(subscripted(meaning, used), dtype)
            made += forms(
                width, f"{name}_{suffix}", tuple(operands), kind, whole, which=which, **about
            )
    return made


def typed(meaning: str, dtype: str) -> str:
    """`{f}` is the suffix of the math functions of a type, `{bits}` its size."""
    return meaning.replace("{f}", "f" if dtype == "float32" else "").replace(
        "{bits}", str(BITS[dtype])
    )


@lru_cache(maxsize=1)
def rows() -> dict[str, Intrinsic]:
    """All intrinsics by name."""
    from . import (
        avx512_arithmetic,
        avx512_compares,
        avx512_conversions,
        avx512_memory,
        avx512_moves,
    )

    parts = (
        avx512_arithmetic,
        avx512_compares,
        avx512_conversions,
        avx512_memory,
        avx512_moves,
    )
    return {row.name: row for part in parts for row in part.ROWS}


_NAME = re.compile(r"\b_(?:mm|k|cvt|load|store|bzhi|blsr|lzcnt|tzcnt)\w+")


def mentioned(text: str) -> list[Intrinsic]:
    """The rows that a text names; all of them where it pastes names together."""
    known = rows()
    if "##" in text:
        return list(known.values())
    return [known[name] for name in dict.fromkeys(_NAME.findall(text)) if name in known]
