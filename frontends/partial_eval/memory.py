"""Names, types and memory: buffers, reads and stores, and whether they are in bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from tvm import sym, tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, ReadError, Span
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.tir import Buffer, Expr, Var

from .. import ir
from ..program import Alloc, Branch, Statement, Store
from ..values import (
    BITS,
    Address,
    Arithmetic,
    Number,
    Record,
    Value,
    size_of,
)
from .ids import ids_of
from .questions import (
    reads_buffer,
    scalar_of,
)
from .state import (
    FAULT,
    Alias,
    Env,
    Frame,
    Place,
    Site,
    Stored,
    VariablePlace,
)


class Memory:
    """Names, types and memory: buffers, reads and stores, and whether they are in bounds."""

    if TYPE_CHECKING:
        # What the classes further down the chain add and this one calls.
        def number(self, expr: ir.Expr) -> Number: ...

        def _negated(self, test: Expr) -> Expr: ...

    def __init__(self, unit: ir.Unit, kernel: Kernel, demoted: set[int], watched: bool) -> None:
        self.unit = unit
        self.source = kernel
        self.demoted = demoted
        self.analyzer = sym.Analyzer()
        self.math = Arithmetic(self.analyzer)
        self.env: Env = {}
        self.types: dict[int, ir.Type] = {}
        self.out: list[Statement] = []
        self.frames: list[Frame] = []
        self.shared: dict[int, Buffer] = {}
        self.tables: list[Statement] = []
        self.names: dict[str, int] = {}
        self.param_of: dict[Buffer, str] = {}
        self.extents: dict[str, int] = {}
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.scratch: dict[str, Buffer] = {}
        self.fault = tirx.decl_buffer((2,), "int64", FAULT.name) if watched else None
        self.proved = 0
        self.sites: list[Site] = []
        self.path: list[Expr] = []
        self.origin: dict[Buffer, str] = {}
        self.value_ranges: dict[str, tuple[int, int]] = {}
        self.watches: list[Statement] = []
        self.symbolic: list[Var] = []
        self.ids = ids_of(kernel, self.math)
        self.special = self.ids.names

    def _name(self, hint: str) -> str:
        count = self.names.get(hint, 0)
        self.names[hint] = count + 1
        return hint if count == 0 else self._name(f"{hint}_{count}")

    def buffer(self, hint: str, dtype: str, extent: int, scope: str) -> Buffer:
        return tirx.decl_buffer((extent,), dtype, self._name(hint), scope=scope)

    def resolve(self, kind: ir.Type, span: Span) -> ir.Type:
        """`kind` with template parameters replaced and array extents evaluated."""
        if isinstance(kind, ir.Pointer):
            return ir.Pointer(self.resolve(kind.to, span))
        if isinstance(kind, ir.Reference):
            return ir.Reference(self.resolve(kind.to, span))
        if isinstance(kind, ir.ArrayType):
            if kind.extent is None:
                return ir.ArrayType(self.resolve(kind.of, span), None)
            value = self.number(kind.extent)
            extent = self.math.known(value.expr)
            if extent is None:
                self.refuse_symbolic(value.expr, "the extent of an array", span)
            if extent is None or extent <= 0:
                raise ReadError(
                    "XP1009", "an array's extent must be a positive constant", span=span
                )
            literal = ir.Literal(extent, "int32", span)
            return ir.ArrayType(self.resolve(kind.of, span), literal)
        if isinstance(kind, ir.Named) and kind not in (ir.VOID, ir.AUTO):
            for frame in reversed(self.frames):
                for name, ident in self._template_names.get(frame.name, ()):
                    found = frame.templates.get(ident)
                    if name == kind.name and found is not None and not isinstance(found, int):
                        return found
            hint = ""
            if kind.name.startswith("volatile"):
                hint = "lanes of a warp do not run in step: use __syncwarp() or a shuffle instead"
            message = f"the type {kind.name!r} is not read here"
            raise ReadError("XP1009", message, span=span, hint=hint)
        return kind

    @property
    def _template_names(self) -> dict[str, tuple[tuple[str, int], ...]]:
        return {f.name: f.template_params for f in self.unit.functions.values()}

    def refuse_symbolic(self, expr: Expr, what: str, span: Span) -> None:
        """Raises `LiftError` XP2003 where `expr`, which must be known, rests on a free scalar."""
        for var in self.symbolic:
            if tir.uses(expr, [var]):
                raise LiftError(
                    "XP2003",
                    f"{var.name!r} has no value, and {what} depends on it",
                    span=span,
                    hint=f"bind it: --arg {var.name}=512, or xt.Scalar({var.name!r}, value=512)",
                )

    def elements(self, kind: ir.Type, buffer: Buffer, span: Span) -> int:
        """How many of the buffer's elements an object of this type takes."""
        if isinstance(kind, ir.ArrayType):
            assert isinstance(kind.extent, ir.Literal)
            return int(kind.extent.value) * self.elements(kind.of, buffer, span)
        if kind == ir.VOID:
            return 1
        size, unit = size_of(kind, span), BITS[buffer.dtype] // 8
        if size % unit:
            raise ReadError("XP1009", "memory is read as a narrower type than it holds", span=span)
        return size // unit

    def allocate(self, name: str, kind: ir.Type, span: Span) -> Address:
        """A local object in memory."""
        scalar = scalar_of(kind)
        if scalar is None:
            raise ReadError("XP1009", f"{name!r}: a class of mixed types is not read", span=span)
        count = 1
        inner = kind
        while isinstance(inner, ir.ArrayType):
            assert isinstance(inner.extent, ir.Literal)
            count *= int(inner.extent.value)
            inner = inner.of
        if isinstance(inner, ir.Struct):
            count *= len(inner.fields)
        buffer = self.buffer(name, scalar, count, "local")
        self.emit(Alloc(buffer, span))
        return Address(buffer, tir.const(0, "int32"), kind)

    def flag(self, name: str, span: Span) -> Buffer:
        """A local int that starts as 1."""
        address = self.allocate(name, ir.Arithmetic("int32"), span)
        self.store(address, self.math.number(1, "int32"), span)
        return address.buffer

    def emit(self, statement: Statement) -> None:
        self.out.append(statement)

    def store(self, address: Address, value: Value, span: Span, atomic: bool = False) -> None:
        """`*address = value`, converted to the address's type."""
        kind = address.of
        if isinstance(kind, ir.Struct):
            if not isinstance(value, Record):
                raise ReadError("XP1009", "this assignment of a class is not read", span=span)
            values = [
                self.convert(v, ir.Arithmetic(address.buffer.dtype), span)
                for v in value.fields.values()
            ]
            # All fields are read before the first is written: `v = f(v)` may mix them.
            if any(isinstance(v, Number) and reads_buffer(v.expr, address.buffer) for v in values):
                values = [self.freeze(v, span) for v in values]
            for number, part in enumerate(values):
                self._store_element(address, number, part, span, atomic)
            return
        converted = self.convert(value, kind, span)
        self._store_element(address, 0, converted, span, atomic)

    def _store_element(
        self, address: Address, shift: int, value: Value, span: Span, atomic: bool
    ) -> None:
        assert isinstance(value, Number)
        buffer = address.buffer
        if buffer.dtype != value.dtype:
            raise ReadError(
                "XP1009", f"{value.dtype} is stored in memory that holds {buffer.dtype}", span=span
            )
        index = self.math.simplify(address.offset + shift) if shift else address.offset
        index = self._touch(buffer, index, self.written, span)
        expr = value.expr
        if isinstance(expr, tir.Load) and buffer.scope() == "local":
            name = self._source(expr)
            if name is not None:
                self.origin.setdefault(buffer, name)
        if tir.dtype_of(expr) != buffer.dtype:
            expr = tirx.Cast(buffer.dtype, expr)
        self.emit(Store(buffer, index, expr, span, atomic))

    def _touch(self, buffer: Buffer, index: Expr, kind: set[str], span: Span) -> Expr:
        """Notes an access: who is read and written, how far, and whether that is in bounds.

        Gives the index to use: in a watched program one that cannot leave the array.
        """
        name = self.param_of.get(buffer)
        low, high = self.math.bounds(index)
        extent = int(buffer.shape[0])
        if name is not None:
            kind.add(name)
            self.extents[name] = max(self.extents[name], high + 1)
        inside = (index >= 0, index < extent)
        if (low >= 0 and high < extent) or (
            not tir.has_load(index) and all(map(self.analyzer.can_prove, inside))
        ):
            self.proved += 1
            return index
        if not tir.has_load(index) and (low >= extent or high < 0):
            raise LiftError(
                "XP2006",
                f"{buffer.name!r} has {extent} elements, this is element {low}"
                + (f" to {high}" if high != low else ""),
                span=span,
            )
        self.sites.append(Site(name or buffer.name, extent, span))
        self._trust(index, extent)
        if self.fault is None:
            return index
        self._watch(index, extent)
        last = tir.const(extent - 1, tir.dtype_of(index))
        return tirx.max(tirx.min(index, last), tir.const(0, tir.dtype_of(index)))

    def _trust(self, index: Expr, extent: int) -> None:
        """Notes what an integer input must hold for `index`, which it is part of, to be valid.

        `table[ids[i]*64 + c]` with 6400 elements and `c < 64` needs `0 <= ids[i] < 100`. A kernel
        that tests the value itself needs nothing.
        """
        found = [load for load in tir.loads(index) if self._source(load) is not None]
        if len(found) != 1:
            return
        (load,) = found
        name = self._source(load)
        assert name is not None
        if any(self._source(other) == name for test in self.path for other in tir.loads(test)):
            return
        place = tirx.Var("value", tir.dtype_of(load))
        rest = tir.map_loads(index, lambda node: place if tir.same(node, load) else node)
        if tir.has_load(rest):
            return
        linear = sym.detect_linear_equation(rest, [place])
        factor = tir.as_const(linear[0]) if linear else None
        if not factor or factor < 0:
            return
        low, high = self.math.bounds(linear[1])
        least, most = -(low // factor), (extent - 1 - high) // factor
        known = self.value_ranges.get(name, (least, most))
        if max(least, known[0]) <= min(most, known[1]):
            self.value_ranges[name] = max(least, known[0]), min(most, known[1])

    def _source(self, load: Expr) -> str | None:
        """The input that a read gives an element of, directly or through a local copy."""
        name = self.param_of.get(load.source) or self.origin.get(load.source)
        if name is None or not str(load.source.dtype).startswith(("int", "uint")):
            return None
        return name

    def _watch(self, index: Expr, extent: int) -> None:
        """Stores the site and the index where an access is out of bounds, the first one alone."""
        assert self.fault is not None
        zero, span = tir.const(0, "int32"), self.sites[-1].span
        outside = tirx.Or(index < 0, index >= extent)
        fresh = tirx.EQ(self.fault[zero], tir.const(0, "int64"))
        test = outside
        for holds in reversed(self.path):
            test = tirx.if_then_else(holds, test, tir.const(False, "bool"))
        test = tirx.if_then_else(test, fresh, tir.const(False, "bool"))
        note = (
            Store(self.fault, zero, tir.const(len(self.sites), "int64"), span),
            Store(self.fault, tir.const(1, "int32"), tirx.Cast("int64", index), span),
        )
        watch = Branch(test, note, (), span)
        self.watches.append(watch)
        self.emit(watch)

    def load(self, place: Place, span: Span) -> Value:
        """The value at a place."""
        if isinstance(place, VariablePlace):
            binding = self.env[place.ident]
            if isinstance(binding, (Stored, Alias)):
                return self.load(self._target(binding), span)
            return binding
        kind, buffer = place.of, place.buffer
        if isinstance(kind, ir.ArrayType):
            return Address(buffer, place.offset, kind.of)
        if isinstance(kind, ir.Struct):
            parts = {}
            for number, (name, of) in enumerate(kind.fields):
                shift = self.math.simplify(place.offset + number)
                parts[name] = self.load(Address(buffer, shift, of), span)
            return Record(kind, parts)
        if not isinstance(kind, ir.Arithmetic) or kind.dtype != buffer.dtype:
            raise ReadError(
                "XP1009", f"memory that holds {buffer.dtype} is read as another type", span=span
            )
        index = self._touch(buffer, place.offset, self.read, span)
        return Number(buffer[index], kind.dtype)

    def _target(self, binding: Stored | Alias) -> Place:
        return binding.address if isinstance(binding, Stored) else binding.place

    def freeze(self, value: Value, span: Span) -> Value:
        """A value that later stores do not change: reads are copied to a local."""
        if isinstance(value, Number) and tir.has_load(value.expr):
            kind = ir.Arithmetic(value.dtype)
            address = self.allocate("held", kind, span)
            self.store(address, value, span)
            return self.load(address, span)
        if isinstance(value, Address) and tir.has_load(value.offset):
            held = self.freeze(Number(value.offset, tir.dtype_of(value.offset)), span)
            assert isinstance(held, Number)
            return Address(value.buffer, held.expr, value.of)
        return value

    def convert(self, value: Value, kind: ir.Type, span: Span) -> Value:
        """`value` as an object of type `kind`."""
        if isinstance(kind, ir.Reference):
            return self.convert(value, kind.to, span)
        if isinstance(kind, ir.Arithmetic):
            if isinstance(value, Address) and kind.dtype == "bool":
                return self.math.number(1, "bool")
            if not isinstance(value, Number):
                raise ReadError("XP1009", "a number is expected here", span=span)
            return self.math.convert(value, kind.dtype)
        if isinstance(kind, ir.Pointer) and isinstance(value, Address):
            return Address(value.buffer, value.offset, kind.to)
        return value

    @contextmanager
    def assuming(self, test: Expr) -> Iterator[None]:
        """Inside, the analyzer takes `test` to hold."""
        scope = nullcontext() if tir.has_load(test) else self.analyzer.constraint_scope(test)
        self.path.append(test)
        try:
            with scope:
                yield
        finally:
            self.path.pop()

    @contextmanager
    def collecting(self) -> Iterator[list[Statement]]:
        """Inside, statements go to a list of their own."""
        outer, self.out = self.out, []
        try:
            yield self.out
        finally:
            self.out = outer
