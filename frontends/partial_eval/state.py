"""What an evaluation keeps: bindings of variables, frames of functions and loops, its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xpiler_tvm.errors import Span
from xpiler_tvm.kernel import Scalar, Tensor
from xpiler_tvm.tir import Buffer, Expr, Var

from .. import ir
from ..arenas import Arena, Layout
from ..arithmetic import Division, Operation
from ..program import Body
from ..values import Address, Nothing, Number, Record, Value

FAULT = Tensor("xpiler_fault", (2,), "int64", "inout")


@dataclass(frozen=True, eq=False)
class ThreadProgram:
    """What one thread does, with the variables that tell threads and blocks apart.

    `value_ranges` bounds the elements of integer inputs that are trusted as indices; by those of
    `placed` it is chosen where plain stores go.
    `threads` and `blocks` list (variable, extent), x first; an extent of 1 has no variable.
    `shared` are the block's buffers, of which those in `shown` stand for registers whose lanes show
    them to each other. `divisions` and `operations` are C's, as they were read. `extents` and
    `read`/`written` are by parameter name.
    """

    params: tuple[tuple[Tensor | Scalar, Any], ...]
    threads: tuple[tuple[Var, int], ...]
    blocks: tuple[tuple[Var, Expr | int], ...]
    shared: tuple[Buffer, ...]
    body: Body
    extents: dict[str, int]
    read: frozenset[str]
    written: frozenset[str]
    proved: int
    sites: tuple[Site, ...]
    value_ranges: dict[str, tuple[int, int]]
    placed: frozenset[str]
    assumptions: tuple[str, ...]
    shown: tuple[Buffer, ...]
    divisions: tuple[Division, ...]
    operations: tuple[Operation, ...]


@dataclass(frozen=True, eq=False)
class Site:
    """An access that could not be proved to lie in its array."""

    name: str
    extent: Expr | int
    span: Span


@dataclass(eq=False)
class Findings:
    """What earlier evaluations of the kernel found out.

    Variables `demoted` to memory; the regions of variables that are arenas, `None` where an
    evaluation has still to take notes of the accesses. Those in `whole` are one region: their
    accesses were not the same when the regions were there. Pointers in classes, by the name of
    their memory, are `moving` where they do not always point to the same place.
    """

    demoted: set[int] = field(default_factory=set)
    layouts: dict[int, Layout | None] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)
    moving: set[str] = field(default_factory=set)


class Restart(Exception):
    """The evaluation starts again, knowing more."""


class Demote(Restart):
    """Variable `ident` must live in memory."""

    def __init__(self, ident: int) -> None:
        self.ident = ident


class Moves(Restart):
    """The pointer in a class that is kept as `name` points to several places."""

    def __init__(self, name: str) -> None:
        self.name = name


class Mixed(Restart):
    """Variable `ident` is seen as several types."""

    def __init__(self, ident: int) -> None:
        self.ident = ident


@dataclass(frozen=True, eq=False)
class Stored:
    """A variable in memory."""

    address: Address


@dataclass(eq=False)
class StoredPointer:
    """A pointer in memory: how far it points is stored, into which buffer is always the same."""

    offset: Address
    buffer: Buffer | Arena | None = None


@dataclass(eq=False)
class FieldPointer:
    """A pointer in a class: into which buffer is always the same; how far is stored, or known."""

    buffer: Buffer | Arena
    offset: Expr


@dataclass(frozen=True, eq=False)
class Constant:
    """An object that lives nowhere: variable `ident`, kept as a value that a method only reads."""

    ident: int
    value: Record

    @property
    def of(self) -> ir.Struct:
        return self.value.kind


@dataclass(frozen=True, eq=False)
class Kept:
    """An array that is variable `ident`, or in it, and its numbers while nobody changes them."""

    ident: int
    values: list[Number]


@dataclass(frozen=True, eq=False)
class Alias:
    """A reference to a place."""

    place: Place


@dataclass(frozen=True, eq=False)
class VariablePlace:
    """The place of a variable that the environment holds."""

    ident: int


Place = VariablePlace | Address
Binding = Value | Stored | StoredPointer | Alias
Env = dict[int, Binding]


@dataclass(eq=False)
class LoopFrame:
    """An enclosing loop: `running` is the flag that `break` clears, made when first needed."""

    running: Buffer | None = None


@dataclass(eq=False)
class Frame:
    """A function being inlined.

    `templates` and `names` tell what template parameters and the names of a class stand for.
    `place` is what a function that returns a reference gives, `copies` what a lambda captured by
    value.
    """

    name: str
    templates: dict[int, ir.Type | int]
    result: ir.Type
    depth: int
    result_place: Address | None = None
    value: Value = field(default_factory=Nothing)
    place: Place | None = None
    names: dict[str, ir.Type | int] = field(default_factory=dict)
    this: Address | Constant | None = None
    this_type: ir.Type | None = None
    live: Buffer | None = None
    loops: list[LoopFrame] = field(default_factory=list)
    copies: dict[int, Binding] = field(default_factory=dict)
