"""The values of host code while it is run, and C's arithmetic on them."""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from xpiler_tvm.dialects.math import BY_C_NAME
from xpiler_tvm.errors import ReadError, Span

from . import ir


@dataclass(frozen=True)
class Unknown:
    """A value that the host code alone does not give. `why` completes "it depends on …"."""

    why: str
    span: Span | None = None


@dataclass(eq=False)
class Memory:
    """An allocation. `size` is in bytes, `length` in elements (vectors know only that)."""

    space: Literal["host", "device", "managed", "caller"]
    size: Value = None
    length: Value = None
    items: dict[int, Value] = field(default_factory=dict)
    filled: bool = False  # copied or set before the launch
    fetched: bool = False  # copied to the host after the launch
    shared: bool = False  # another kernel uses it too


@dataclass
class Cell:
    """A variable, or what stands for one."""

    value: Value
    type: ir.Type | None = None


@dataclass
class Field:
    """A member of a struct's value."""

    record: dict[str, Value]
    name: str
    span: Span
    type: ir.Type | None = None

    @property
    def value(self) -> Value:
        return self.record.get(self.name, Unknown(f"the member {self.name!r}", self.span))

    @value.setter
    def value(self, value: Value) -> None:
        self.record[self.name] = value


@dataclass
class Element:
    """The element of an array at a byte offset."""

    memory: Memory
    offset: int
    span: Span
    type: ir.Type | None = None

    @property
    def value(self) -> Value:
        return self.memory.items.get(self.offset, Unknown("an element of an array", self.span))

    @value.setter
    def value(self, value: Value) -> None:
        self.memory.items[self.offset] = value


Place = Cell | Field | Element


@dataclass(frozen=True, eq=False)
class Address:
    """A pointer: into an allocation at a byte offset, or to a variable."""

    target: Memory | Place
    offset: int = 0
    to: ir.Type | None = None


@dataclass(frozen=True, eq=False)
class Closure:
    code: ir.Lambda
    frame: dict[int, Place]


# A `dict` is the value of a struct, a `tuple` what stands in braces, `None` that of a `void` call.
Value: TypeAlias = (
    "int | float | str | Unknown | Address | Memory | Closure | dict[str, Value]"
    " | tuple[Value, ...] | None"
)


Names: TypeAlias = "dict[str, ir.Type | int]"
"""What the parameters of templates stand for."""


@dataclass(frozen=True, eq=False)
class Launched:
    entry: str
    function: ir.Function
    config: tuple[Value, ...]
    values: tuple[Value, ...]
    types: Names
    span: Span


@dataclass(frozen=True, eq=False)
class Copied:
    """A copy of `size` bytes; `kind` is the API's number of a direction."""

    to: Value
    source: Value
    size: Value
    kind: Value
    span: Span


@dataclass(frozen=True, eq=False)
class Filled:
    """`size` bytes set to `byte` on the device."""

    to: Value
    byte: Value
    size: Value
    span: Span


@dataclass(frozen=True, eq=False)
class Touched:
    """A memory that host code stores to, or that a function gets which is not followed."""

    memory: Memory
    span: Span


Event = Launched | Copied | Filled | Touched


def depends(what: str, why: Unknown, span: Span) -> ReadError:
    return ReadError(
        "XP1013",
        f"{what} depends on {why.why}",
        span=why.span or span,
        hint="give the value with --arg, or params and launch yourself",
    )


# ---------------------------------------------------------------- arithmetic of C


def _quotient(left: float, right: float) -> float:
    if isinstance(left, int) and isinstance(right, int):
        magnitude = abs(left) // abs(right)
        return magnitude if (left < 0) == (right < 0) else -magnitude
    return left / right


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _quotient,
}
INTEGER: dict[str, Callable[[Any, Any], Any]] = {
    "%": lambda left, right: left - right * _quotient(left, right),
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
_SPELLINGS = {
    "float16": "half",
    "bfloat16": "__nv_bfloat16",
    "float32": "float",
    "float64": "double",
    "int8": "signed char",
    "uint8": "unsigned char",
    "int16": "short",
    "uint16": "unsigned short",
    "int32": "int",
    "uint32": "unsigned int",
    "int64": "long long",
    "uint64": "unsigned long long",
}


def bytes_of(dtype: str) -> int | None:
    digits = dtype.lstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) // 8 if digits else 1 if dtype == "bool" else None


def rounded(value: int | float, dtype: str) -> int | float:
    if dtype == "float32":
        try:
            return float(struct.unpack("f", struct.pack("f", value))[0])
        except OverflowError:
            return math.copysign(math.inf, value)
    if dtype.startswith(("float", "bfloat")):
        return float(value)
    if dtype == "bool":
        return int(value != 0)
    size = bytes_of(dtype)
    if size is None or not math.isfinite(value):
        return value
    bits = 8 * size
    wrapped = int(value) & ((1 << bits) - 1)
    return wrapped - (1 << bits) if not dtype.startswith("u") and wrapped >> (bits - 1) else wrapped


def number_function(name: str) -> Callable[..., Any] | None:
    """A function of numbers by its C name."""
    known: dict[str, Callable[..., Any]] = {
        "min": min, "max": max, "abs": abs, "fabs": abs, "fmin": min, "fmax": max,
        "ceil": lambda x: float(math.ceil(x)), "floor": lambda x: float(math.floor(x)),
    }  # fmt: skip
    row = BY_C_NAME.get(name)
    name = row.name if row is not None else name
    return known.get(name) or (getattr(math, name, None) if row is not None else None)


# ---------------------------------------------------------------- types


def plain(kind: ir.Type | None) -> ir.Type | None:
    return kind.to if isinstance(kind, ir.Reference) else kind


def spelled(kind: ir.Type) -> str:
    if isinstance(kind, ir.Arithmetic):
        return _SPELLINGS.get(kind.dtype, kind.dtype)
    if isinstance(kind, ir.Pointer):
        return spelled(kind.to) + "*"
    return kind.name if isinstance(kind, (ir.Named, ir.Struct)) else "?"
