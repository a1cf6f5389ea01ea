"""C's values over TVM expressions.

An integer's C type and its TIR type are kept apart: a `size_t` that provably fits is an int32
expression, which TVM's analyzer understands best, while its C type still decides conversions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.tir import Buffer, Expr

from . import ir

if TYPE_CHECKING:
    from .arenas import Arena

BITS = {"bool": 8, "int8": 8, "int16": 16, "int32": 32, "int64": 64, "float16": 16, "bfloat16": 16}
BITS |= {"uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64, "float32": 32, "float64": 64}


@dataclass(frozen=True, eq=False)
class Number:
    """`expr` of C type `dtype`. Floats have that type in TIR too.

    `parts` are the elements that it was put together of, the lowest first, where memory holds
    narrower ones: stored again, they need not be taken apart. `exact` is the sum of `int`s, in
    int64, whose two's complement an unsigned number is: `int` again, it need not be cut out.
    """

    expr: Expr
    dtype: str
    parts: tuple[Expr, ...] = ()
    exact: Expr | None = None

    @property
    def is_float(self) -> bool:
        return "float" in self.dtype


@dataclass(frozen=True, eq=False)
class Address:
    """A place seen as (the start of) an object of type `of`.

    `offset` counts the elements of a flat buffer, and the bytes of an arena.
    """

    buffer: Buffer | Arena
    offset: Expr
    of: ir.Type


@dataclass(frozen=True, eq=False)
class Record:
    """A class value held in parts."""

    kind: ir.Struct
    fields: dict[str, Value]


@dataclass(frozen=True, eq=False)
class Lanes:
    """A vector: `lane(i)` is its element at an index, of type `kind.of`.

    It is worked out when it is stored; until then no store may come between. `seen_as` gives its
    bits as lanes of another type, of which `held` is the one that they are at hand as.
    """

    kind: ir.Vector
    lane: Callable[[Expr], Number]
    held: str = ""
    seen_as: Callable[[str], Callable[[Expr], Number]] | None = None


@dataclass(frozen=True, eq=False)
class Closure:
    """A lambda: the body sees the variables of its scope, and the copies of those in `copies`."""

    source: ir.Lambda
    copies: dict[int, Any]


@dataclass(frozen=True, eq=False)
class Nothing:
    """What a void call gives, and an uninitialised variable holds."""


@dataclass(frozen=True, eq=False)
class Null:
    """`nullptr`."""


Value = Number | Address | Record | Lanes | Closure | Null | Nothing


def unit_of(memory: Buffer | Arena) -> int:
    """Bytes that the offsets of addresses in `memory` count."""
    dtype = getattr(memory, "dtype", None)  # an arena has none
    return 1 if dtype is None else BITS[dtype] // 8


def size_of(kind: ir.Type, span: Span) -> int:
    """Bytes of a type without template parameters or run-time extents."""
    return _size_and_alignment(kind, span)[0]


def offsets_of(kind: ir.Struct, span: Span) -> list[int]:
    """Bytes in front of each field, and behind the last one with its padding: the class's size."""
    offsets, end, most = [], 0, 1
    for _, of in kind.fields:
        size, alignment = _size_and_alignment(of, span)
        end = -(-end // alignment) * alignment
        offsets.append(end)
        end, most = end + size, max(most, alignment)
    return [*offsets, -(-end // most) * most]


def _size_and_alignment(kind: ir.Type, span: Span) -> tuple[int, int]:
    if isinstance(kind, ir.Arithmetic):
        size = BITS[kind.dtype] // 8
        return size, size
    if isinstance(kind, ir.Vector):
        size = BITS[kind.of.dtype] // 8 * kind.lanes
        return size, size
    if isinstance(kind, ir.Struct):
        alignments = [_size_and_alignment(of, span)[1] for _, of in kind.fields]
        return offsets_of(kind, span)[-1], max(alignments, default=1)
    if isinstance(kind, ir.Union):
        sizes = [_size_and_alignment(of, span) for _, of in kind.fields]
        most = max((alignment for _, alignment in sizes), default=1)
        return -(-max((size for size, _ in sizes), default=1) // most) * most, most
    if isinstance(kind, ir.ArrayType) and isinstance(kind.extent, ir.Literal):
        size, alignment = _size_and_alignment(kind.of, span)
        return int(kind.extent.value) * size, alignment
    if isinstance(kind, ir.Pointer):
        return 8, 8
    raise ReadError("XP1009", "the size of this type is not known here", span=span)


def promoted(dtype: str) -> str:
    """C's integer promotion."""
    return "int32" if dtype in ("bool", "int8", "uint8", "int16", "uint16") else dtype


def common(left: str, right: str) -> str:
    """C's usual arithmetic conversions."""
    # bfloat16 only stores numbers: arithmetic happens in float.
    floats = [dtype.replace("bfloat16", "float32") for dtype in (left, right) if "float" in dtype]
    if floats:
        return max(floats, key=lambda dtype: BITS[dtype])
    left, right = promoted(left), promoted(right)
    if BITS[left] != BITS[right]:
        return max((left, right), key=lambda dtype: BITS[dtype])
    return left if left.startswith("uint") else right


def range_of(dtype: str) -> tuple[int, int]:
    if dtype == "bool":
        return 0, 1
    bits = BITS[dtype]
    return (
        (0, (1 << bits) - 1) if dtype.startswith("u") else (-(1 << bits - 1), (1 << bits - 1) - 1)
    )


INT32 = range_of("int32")
