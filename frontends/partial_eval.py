"""Kernel IR -> one thread's program: integers and pointers are evaluated, the rest is emitted.

An integer or a pointer that no memory read feeds is kept as a symbolic expression over loop and
thread variables; an assignment updates the environment. Everything else lives in local buffers.
Where an integer cannot be kept (it is assigned under a condition that reads memory, or by a loop
in no closed form) it is *demoted* to a local buffer and the evaluation starts again.

Device functions and lambdas are inlined; loops become counted ones where their trip count has a
closed form, are unrolled where their tests are known, and are `While` otherwise; `break`,
`continue` and `return` become nesting and flags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from tvm import sym, tirx
from tvm.ir import Range

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, ReadError, Span
from xpiler_tvm.kernel import Kernel, Launch, Scalar, Tensor
from xpiler_tvm.tir import Buffer, Expr, Var

from . import builtin, ir
from .program import Alloc, Barrier, Body, Branch, Loop, Statement, Store, While, holds_barrier
from .values import (
    BITS,
    Address,
    Arithmetic,
    Closure,
    Nothing,
    Number,
    Record,
    Value,
    common,
    size_of,
    size_of_element,
)

UNROLL_LIMIT = 4096
UNROLL_SMALL = 64
INLINE_DEPTH = 64
FAULT = Tensor("xpiler_fault", (2,), "int64", "inout")


@dataclass(frozen=True, eq=False)
class ThreadProgram:
    """What one thread does, with the variables that tell threads and blocks apart.

    `value_ranges` bounds the elements of integer inputs that are trusted as indices.
    `threads` and `blocks` list (variable, extent), x first; an extent of 1 has no variable.
    `shared` are the block's buffers. `extents` and `read`/`written` are by parameter name.
    """

    params: tuple[tuple[Tensor | Scalar, Any], ...]
    threads: tuple[tuple[Var, int], ...]
    blocks: tuple[tuple[Var, int], ...]
    shared: tuple[Buffer, ...]
    body: Body
    extents: dict[str, int]
    read: frozenset[str]
    written: frozenset[str]
    proved: int
    sites: tuple[Site, ...]
    value_ranges: dict[str, tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Site:
    """An access that could not be proved to lie in its array."""

    name: str
    extent: int
    span: Span


def evaluate(
    unit: ir.Unit,
    function: ir.Function,
    kernel: Kernel,
    template_args: dict[int, ir.Type | int],
    watched: bool = False,
) -> ThreadProgram:
    """The program of one thread of `kernel`, whose entry is `function`.

    A `watched` program has one more parameter, `FAULT`: where an access that was not proved to be
    in bounds is not, the number of its site plus one and the index are stored there, and the
    nearest element is taken.

    Raises `ReadError` for what cannot be read and `LiftError` for what cannot be lifted.
    """
    demoted: set[int] = set()
    while True:
        try:
            return _Evaluator(unit, kernel, demoted, watched).kernel(function, template_args)
        except _Demote as request:
            demoted.add(request.ident)


class _Demote(Exception):
    """Variable `ident` must live in memory."""

    def __init__(self, ident: int) -> None:
        self.ident = ident


@dataclass(frozen=True, eq=False)
class _Stored:
    """A variable in memory."""

    address: Address


@dataclass(frozen=True, eq=False)
class _Alias:
    """A reference to a place."""

    place: _Place


@dataclass(frozen=True, eq=False)
class _Variable:
    """The place of a variable that the environment holds."""

    ident: int


_Place = _Variable | Address
_Binding = Value | _Stored | _Alias
_Env = dict[int, _Binding]


@dataclass(eq=False)
class _LoopFrame:
    """An enclosing loop: `running` is the flag that `break` clears, made when first needed."""

    running: Buffer | None = None


@dataclass(eq=False)
class _Frame:
    """A function being inlined."""

    name: str
    templates: dict[int, ir.Type | int]
    result: ir.Type
    depth: int
    result_place: Address | None = None
    value: Value = field(default_factory=Nothing)
    live: Buffer | None = None
    loops: list[_LoopFrame] = field(default_factory=list)


class _Evaluator:
    def __init__(self, unit: ir.Unit, kernel: Kernel, demoted: set[int], watched: bool) -> None:
        self.unit = unit
        self.source = kernel
        self.demoted = demoted
        self.analyzer = sym.Analyzer()
        self.math = Arithmetic(self.analyzer)
        self.env: _Env = {}
        self.types: dict[int, ir.Type] = {}
        self.out: list[Statement] = []
        self.frames: list[_Frame] = []
        self.shared: dict[int, Buffer] = {}
        self.tables: list[Statement] = []
        self.names: dict[str, int] = {}
        self.param_of: dict[Buffer, str] = {}
        self.extents: dict[str, int] = {}
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.warp = 64 if kernel.dialect == "hip" else 32
        self.scratch: dict[str, Buffer] = {}
        self.fault = tirx.decl_buffer((2,), "int64", FAULT.name) if watched else None
        self.proved = 0
        self.sites: list[Site] = []
        self.path: list[Expr] = []
        self.origin: dict[Buffer, str] = {}
        self.value_ranges: dict[str, tuple[int, int]] = {}
        self.watches: list[Statement] = []

    # ------------------------------------------------------------ the kernel

    def kernel(
        self, function: ir.Function, template_args: dict[int, ir.Type | int]
    ) -> ThreadProgram:
        launch = self.source.launch or Launch()
        self._launch_variables(launch)
        frame = _Frame(function.name, template_args, ir.VOID, 0)
        self.frames.append(frame)
        params = self._parameters(function)
        if self.fault is not None:
            params = (*params, (FAULT, self.fault))
        assert function.body is not None
        self.run([function.body])
        threads = tuple((v, n) for v, n in self.thread_vars if n > 1)
        blocks = tuple((v, n) for v, n in self.block_vars if n > 1)
        return ThreadProgram(
            params,
            threads,
            blocks,
            (*self.shared.values(), *self.scratch.values()),
            (*self.tables, *self.out),
            self.extents,
            frozenset(self.read),
            frozenset(self.written),
            self.proved,
            tuple(self.sites),
            self.value_ranges,
        )

    def _launch_variables(self, launch: Launch) -> None:
        block = (*launch.block, 1, 1, 1)[:3]
        grid = (*launch.grid, 1, 1, 1)[:3]
        letters = "xyz"
        self.thread_vars = [
            (tirx.Var("t" + c, "int32"), n) for c, n in zip(letters, block, strict=True)
        ]
        self.block_vars = [
            (tirx.Var("b" + c, "int32"), n) for c, n in zip(letters, grid, strict=True)
        ]
        for var, extent in (*self.thread_vars, *self.block_vars):
            self.analyzer.bind(var, Range(0, extent))

        def record(values: list[Expr]) -> Record:
            parts: dict[str, Value] = {
                c: Number(value, "uint32") for c, value in zip(letters, values, strict=True)
            }
            kind = ir.Struct("uint3", tuple((c, ir.Arithmetic("uint32")) for c in letters))
            return Record(kind, parts)

        def place(pairs: list[tuple[Var, int]]) -> list[Expr]:
            return [var if n > 1 else tir.const(0, "int32") for var, n in pairs]

        self.special: dict[str, Value] = {
            "threadIdx": record(place(self.thread_vars)),
            "blockIdx": record(place(self.block_vars)),
            "blockDim": record([tir.const(n, "int32") for n in block]),
            "gridDim": record([tir.const(n, "int32") for n in grid]),
            "warpSize": self.math.number(self.warp, "int32"),
        }
        tx, ty, tz = place(self.thread_vars)
        self.block_size = block[0] * block[1] * block[2]
        self.linear_thread = self.analyzer.simplify((tz * block[1] + ty) * block[0] + tx)

    def _parameters(self, function: ir.Function) -> tuple[tuple[Tensor | Scalar, Any], ...]:
        params: list[tuple[Tensor | Scalar, Any]] = []
        for variable, param in zip(function.params, self.source.params or (), strict=False):
            kind = self.resolve(variable.type, variable.span)
            self.types[variable.ident] = kind
            if isinstance(param, Tensor):
                assert isinstance(kind, ir.Pointer)
                extent = param.size if param.shape is not None else 1 << 30
                buffer = self.buffer(param.name, param.dtype, extent, "global")
                self.param_of[buffer] = param.name
                self.extents[param.name] = 0
                start = Address(buffer, tir.const(0, "int32"), kind.to)
                self.env[variable.ident] = start
                params.append((param, buffer))
            elif param.value is not None:
                value = self.math.number(param.value, param.dtype)
                self._bind(variable, kind, value)
            else:
                self._name(param.name)
                var = tirx.Var(param.name, param.dtype)
                self._bind(variable, kind, Number(var, param.dtype))
                params.append((param, var))
        return tuple(params)

    def _bind(self, variable: ir.Variable, kind: ir.Type, value: Value) -> None:
        """A by-value parameter; one that the body assigns behaves like any local."""
        self.types[variable.ident] = kind
        if variable.ident in self.demoted or (
            isinstance(value, Number)
            and ((value.is_float and not _is_constant(value)) or tir.has_load(value.expr))
            and not isinstance(value.expr, tirx.Var)
        ):
            address = self.allocate(variable.name, kind, variable.span)
            self.env[variable.ident] = _Stored(address)
            self.store(address, value, variable.span)
        else:
            self.env[variable.ident] = value

    # ------------------------------------------------------------ names, types, memory

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
        scalar = _scalar(kind)
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
            if any(isinstance(v, Number) and _reads(v.expr, address.buffer) for v in values):
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

    def load(self, place: _Place, span: Span) -> Value:
        """The value at a place."""
        if isinstance(place, _Variable):
            binding = self.env[place.ident]
            if isinstance(binding, (_Stored, _Alias)):
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

    def _target(self, binding: _Stored | _Alias) -> _Place:
        return binding.address if isinstance(binding, _Stored) else binding.place

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

    # ------------------------------------------------------------ places

    def place(self, expr: ir.Expr) -> _Place:
        """Where an expression's object lies."""
        if isinstance(expr, ir.Name):
            binding = self.env.get(expr.ident)
            if isinstance(binding, (_Stored, _Alias)):
                return self._target(binding)
            if binding is None:
                return self._global(expr)
            return _Variable(expr.ident)
        if isinstance(expr, ir.Subscript):
            base, index = self.value(expr.base), self.value(expr.index)
            if isinstance(index, Address):
                base, index = index, base
            return self._moved(self._address(base, expr.span), index, 1, expr.span)
        if isinstance(expr, ir.Unary) and expr.op == "*":
            return self._address(self.value(expr.value), expr.span)
        if isinstance(expr, ir.Unary) and expr.op in ("pre++", "pre--"):
            self.value(expr)
            return self.place(expr.value)
        if isinstance(expr, ir.Assign):
            self.value(expr)
            return self.place(expr.target)
        if isinstance(expr, ir.Member):
            whole = self.place(expr.base)
            if isinstance(whole, Address) and isinstance(whole.of, ir.Struct):
                shift = [name for name, _ in whole.of.fields].index(expr.field)
                kind = whole.of.fields[shift][1]
                offset = self.math.simplify(whole.offset + shift)
                return Address(whole.buffer, offset, kind)
        if isinstance(expr, ir.Cast) and isinstance(expr.to, ir.Reference):
            inner = self.place(expr.value)
            if isinstance(inner, Address):
                return Address(inner.buffer, inner.offset, self.resolve(expr.to.to, expr.span))
            return inner
        if isinstance(expr, ir.Conditional):
            test = self.math.known(self.test(expr.test))
            if test is not None:
                return self.place(expr.then if test else expr.other)
        raise ReadError("XP1009", "this expression has no address", span=expr.span)

    def _global(self, expr: ir.Name) -> _Place:
        variable = self.unit.variables.get(expr.ident)
        if variable is None:
            raise ReadError("XP1010", f"{expr.name!r} is not known here", span=expr.span)
        if variable.space == "shared":
            return self._shared_array(variable)
        if variable.init is None:
            raise ReadError(
                "XP1009",
                f"{variable.name!r} is filled by host code that is not part of the kernel",
                span=expr.span,
                hint="pass it as a parameter",
            )
        kind = self.resolve(variable.type, variable.span)
        if isinstance(kind, ir.Arithmetic):
            value = self.convert(self.value(variable.init), kind, variable.span)
            self.env[expr.ident] = value
            return _Variable(expr.ident)
        outer, self.out = self.out, self.tables
        try:
            address = self._initialised(variable, kind)
        finally:
            self.out = outer
        self.env[expr.ident] = _Stored(address)
        return address

    def _address(self, value: Value, span: Span) -> Address:
        if not isinstance(value, Address):
            raise ReadError("XP1009", "a pointer is expected here", span=span)
        return value

    def _moved(self, base: Address, index: Value, sign: int, span: Span) -> Address:
        if not isinstance(index, Number) or index.is_float:
            raise ReadError("XP1009", "a pointer moves by an integer", span=span)
        move = self.math.as_index(index)
        unit = BITS[base.buffer.dtype] // 8
        size = 1 if base.of == ir.VOID else size_of_element(base.of, span)
        if size < unit:  # a byte of an arena that holds wider numbers
            bytes_ = self.math.simplify(move * size)
            if not self.analyzer.can_prove(tirx.EQ(tirx.floormod(bytes_, unit), 0)):
                raise ReadError(
                    "XP1009", "a pointer into the middle of an element is not read", span=span
                )
            move, step = self.math.simplify(tirx.floordiv(bytes_, unit)), sign
        else:
            step = sign * self.elements(base.of, base.buffer, span)
        if tir.dtype_of(move) != tir.dtype_of(base.offset):
            wide = "int64"
            offset = self.math._as(base.offset, wide) + self.math._as(move, wide) * step
        else:
            offset = base.offset + move * step
        return Address(base.buffer, self.math.simplify(offset), base.of)

    # ------------------------------------------------------------ expressions

    def number(self, expr: ir.Expr) -> Number:
        value = self.value(expr)
        if not isinstance(value, Number):
            raise ReadError("XP1009", "a number is expected here", span=expr.span)
        return value

    def test(self, expr: ir.Expr) -> Expr:
        """An expression as a condition, simplified where it reads no memory."""
        return self.math.truth(self.value(expr))

    def value(self, expr: ir.Expr) -> Value:
        if isinstance(expr, ir.Literal):
            if expr.dtype in ("text", "null"):
                raise ReadError("XP1009", f"a {expr.dtype} value in device code", span=expr.span)
            return self.math.number(expr.value, expr.dtype)  # type: ignore[arg-type]
        if isinstance(expr, ir.Name):
            return self._name_value(expr)
        if isinstance(expr, ir.Unary):
            return self._unary(expr)
        if isinstance(expr, ir.Binary):
            return self._binary(expr)
        if isinstance(expr, ir.Assign):
            return self._assign(expr)
        if isinstance(expr, ir.Conditional):
            return self._conditional(expr)
        if isinstance(expr, ir.Subscript):
            return self.load(self.place(expr), expr.span)
        if isinstance(expr, ir.Member):
            return self._member(expr)
        if isinstance(expr, ir.Cast):
            return self._cast(expr)
        if isinstance(expr, ir.SizeOf):
            return self.math.number(size_of(self.resolve(expr.of, expr.span), expr.span), "uint64")
        if isinstance(expr, ir.Call):
            return self._call(expr)
        if isinstance(expr, ir.Construct):
            return self._construct(expr)
        if isinstance(expr, ir.Lambda):
            return Closure(expr)
        if isinstance(expr, ir.InitList) and len(expr.items) == 1:
            return self.value(expr.items[0])
        if isinstance(expr, ir.Unreadable):
            raise ReadError(expr.code, expr.message, span=expr.span, hint=expr.hint)
        if isinstance(expr, ir.LaunchExpr):
            raise ReadError("XP1009", "a kernel launched by a kernel is not read", span=expr.span)
        raise ReadError("XP1009", "this expression is not read", span=expr.span)

    def _name_value(self, expr: ir.Name) -> Value:
        if expr.name in self.special and expr.ident not in self.env:
            return self.special[expr.name]
        for frame in reversed(self.frames):
            found = frame.templates.get(expr.ident)
            if isinstance(found, int):
                return self.math.number(found, "int32" if abs(found) < 1 << 31 else "int64")
        return self.load(self.place(expr), expr.span)

    def _member(self, expr: ir.Member) -> Value:
        if isinstance(expr.base, ir.Name) and expr.base.name in self.special:
            record = self.special[expr.base.name]
            if expr.base.ident not in self.env and isinstance(record, Record):
                return record.fields[expr.field]
        try:
            place = self.place(expr)
        except ReadError:
            value = self.value(expr.base)
            if isinstance(value, Record) and expr.field in value.fields:
                return value.fields[expr.field]
            raise
        return self.load(place, expr.span)

    def _unary(self, expr: ir.Unary) -> Value:
        if expr.op in ("pre++", "pre--", "post++", "post--"):
            return self._step(expr)
        if expr.op == "&":
            if isinstance(expr.value, ir.Name):
                binding = self.env.get(expr.value.ident)
                if isinstance(binding, (Number, Record)):
                    raise _Demote(expr.value.ident)
            place = self.place(expr.value)
            return self._address(place, expr.span)  # type: ignore[arg-type]
        if expr.op == "*":
            return self.load(self.place(expr), expr.span)
        value = self.number(expr.value)
        if expr.op == "-":
            return self.math.negative(value, expr.span)
        if expr.op == "!":
            test = self.math.truth(value)
            negated = tirx.Not(test)
            return Number(negated if tir.has_load(test) else self.math.simplify(negated), "bool")
        if expr.op == "~":
            minus = self.math.negative(value, expr.span)
            return self.math.binary("-", minus, self.math.number(1, "int32"), expr.span)
        if expr.op == "+":
            return value
        raise ReadError("XP1009", f"the operator {expr.op!r} is not read", span=expr.span)

    def _step(self, expr: ir.Unary) -> Value:
        place = self.place(expr.value)
        before = self.load(place, expr.span)
        if expr.op.startswith("post") and isinstance(place, Address):
            before = self.freeze(before, expr.span)
        op = expr.op[-1]
        after = self._arith(op, before, self.math.number(1, "int32"), expr.span)
        after = self.assign(place, after, expr.span)
        return before if expr.op.startswith("post") else after

    def _arith(self, op: str, left: Value, right: Value, span: Span) -> Value:
        if isinstance(left, Number) and isinstance(right, Number):
            return self.math.binary(op, left, right, span)
        if isinstance(left, Address) and isinstance(right, Number) and op in "+-":
            return self._moved(left, right, 1 if op == "+" else -1, span)
        if isinstance(right, Address) and isinstance(left, Number) and op == "+":
            return self._moved(right, left, 1, span)
        if isinstance(left, Address) and isinstance(right, Address):
            if left.buffer.same_as(right.buffer):
                a, b = Number(left.offset, "int64"), Number(right.offset, "int64")
                size = self.elements(left.of, left.buffer, span)
                if op == "-" and size == 1:
                    return self.math.binary("-", a, b, span)
                if op in ("<", ">", "<=", ">=", "==", "!="):
                    return self.math.binary(op, a, b, span)
            raise ReadError("XP1009", "pointers to different arrays are compared", span=span)
        raise ReadError("XP1009", f"{op!r} of these operands is not read", span=span)

    def _binary(self, expr: ir.Binary) -> Value:
        if expr.op == ",":
            self.value(expr.left)
            return self.value(expr.right)
        if expr.op in ("&&", "||"):
            left = self.test(expr.left)
            known = None if tir.has_load(left) else self.math.known(left)
            if known is not None and bool(known) == (expr.op == "||"):
                return self.math.number(known, "bool")
            # The right side is read only where the left side lets it.
            scope = left if expr.op == "&&" else self._negated(left)
            right = self.math.truth(self._under(scope, expr.right))
            if known is not None:
                return Number(right, "bool")
            true = tir.const(True, "bool")
            if tir.has_load(right):
                lazy = (right, tir.const(False, "bool")) if expr.op == "&&" else (true, right)
                return Number(tirx.if_then_else(left, *lazy), "bool")
            whole = tirx.And(left, right) if expr.op == "&&" else tirx.Or(left, right)
            return Number(whole if tir.has_load(left) else self.math.simplify(whole), "bool")
        return self._arith(expr.op, self.value(expr.left), self.value(expr.right), expr.span)

    def _conditional(self, expr: ir.Conditional) -> Value:
        test = self.test(expr.test)
        known = None if tir.has_load(test) else self.math.known(test)
        if known is not None:
            return self.value(expr.then if known else expr.other)
        then = self._under(test, expr.then)
        other = self._under(self._negated(test), expr.other)
        if isinstance(then, Number) and isinstance(other, Number):
            return self.math.select(test, then, other)
        if (
            isinstance(then, Address)
            and isinstance(other, Address)
            and then.buffer.same_as(other.buffer)
        ):
            a, b = Number(then.offset, "int64"), Number(other.offset, "int64")
            return Address(then.buffer, self.math.select(test, a, b).expr, then.of)
        raise ReadError("XP1009", "this choice between two objects is not read", span=expr.span)

    def _under(self, test: Expr, expr: ir.Expr) -> Value:
        """A value that is worked out only where `test` holds: its steps stand under the test."""
        env = dict(self.env)
        with self.collecting() as steps, self.assuming(test):
            value = self.value(expr)
        made = [s.buffer for s in steps if isinstance(s, Alloc)]
        outside = any(
            not (isinstance(s, (Alloc, Store)) and any(s.buffer.same_as(b) for b in made))
            and not any(s is watch for watch in self.watches)
            for s in steps
        )
        if outside or any(self.env.get(key) is not bound for key, bound in env.items()):
            raise ReadError(
                "XP1009",
                "an expression that is evaluated only under a condition has a side effect",
                span=expr.span,
                hint="write it as an if statement",
            )
        self.out.extend(s for s in steps if isinstance(s, Alloc))
        rest = tuple(s for s in steps if not isinstance(s, Alloc))
        if rest:
            self.emit(Branch(test, rest, (), expr.span))
        return value

    def _assign(self, expr: ir.Assign) -> Value:
        if expr.op:
            place = self.place(expr.target)
            right = self.value(expr.value)
            value = self._arith(expr.op, self.load(place, expr.span), right, expr.span)
        else:
            value = self.value(expr.value)
            place = self.place(expr.target)
        return self.assign(place, value, expr.span)

    def assign(self, place: _Place, value: Value, span: Span) -> Value:
        """`place = value`; gives the value as converted."""
        if isinstance(place, Address):
            self.store(place, value, span)
            return self.load(place, span)
        kind = self.types.get(place.ident)
        if kind is not None:
            value = self.convert(value, kind, span)
        if isinstance(value, Address):
            value = self.freeze(value, span)
        elif isinstance(value, Number) and (tir.has_load(value.expr) or value.is_float):
            raise _Demote(place.ident)
        self.env[place.ident] = value
        return value

    def _cast(self, expr: ir.Cast) -> Value:
        kind = self.resolve(expr.to, expr.span)
        value = self.value(expr.value)
        if kind == ir.VOID:
            return Nothing()
        if isinstance(kind, ir.Pointer) and isinstance(value, Number):
            raise ReadError("XP1009", "an integer cast to a pointer is not read", span=expr.span)
        return self.convert(value, kind, expr.span)

    def _construct(self, expr: ir.Construct) -> Value:
        kind = self.resolve(expr.to, expr.span)
        if not isinstance(kind, ir.Struct):
            if len(expr.args) == 1:
                return self.convert(self.value(expr.args[0]), kind, expr.span)
            if not expr.args and isinstance(kind, ir.Arithmetic):
                return self.math.number(0, kind.dtype)
            raise ReadError("XP1009", "this initialiser is not read", span=expr.span)
        if len(expr.args) == 1:
            only = self.value(expr.args[0])
            if isinstance(only, Record):
                return only
        values = [self.value(arg) for arg in expr.args]
        return self._record(kind, values, expr.span)

    def _record(self, kind: ir.Struct, values: list[Value], span: Span) -> Record:
        fields_: dict[str, Value] = {}
        for number, (name, of) in enumerate(kind.fields):
            if number < len(values):
                fields_[name] = self.convert(values[number], of, span)
            elif isinstance(of, ir.Arithmetic):
                fields_[name] = self.math.number(0, of.dtype)
            else:
                raise ReadError("XP1009", "this initialiser is not read", span=span)
        return Record(kind, fields_)

    # ------------------------------------------------------------ calls

    def _call(self, expr: ir.Call) -> Value:
        callee = expr.callee
        if not isinstance(callee, ir.Name):
            raise ReadError(
                "XP1009", "a call through a pointer or a member is not read", span=expr.span
            )
        binding = self.env.get(callee.ident)
        if isinstance(binding, Closure):
            return self._inline_lambda(binding, expr)
        function = self.unit.functions.get(callee.ident) or self.unit.named(callee.name)
        if function is not None and function.body is not None:
            return self._inline(function, expr)
        return builtin.call(self, callee.name, expr)

    def _inline_lambda(self, closure: Closure, expr: ir.Call) -> Value:
        source = closure.source
        frame = _Frame("lambda", {}, ir.AUTO, len(self.frames))
        return self._inlined(frame, source.params, source.body, expr)

    def _inline(self, function: ir.Function, expr: ir.Call) -> Value:
        if len(self.frames) > INLINE_DEPTH:
            raise ReadError(
                "XP1009",
                f"{function.name!r} calls itself",
                span=expr.span,
                hint="recursion has no form on the other platforms; write it as a loop",
            )
        templates = self._bind_templates(function, expr)
        frame = _Frame(function.name, templates, ir.VOID, len(self.frames))
        self.frames.append(frame)
        try:
            frame.result = (
                self.resolve(function.result, expr.span)
                if (function.result != ir.AUTO)
                else ir.AUTO
            )
        finally:
            self.frames.pop()
        assert function.body is not None
        return self._inlined(frame, function.params, function.body, expr)

    def _bind_templates(self, function: ir.Function, expr: ir.Call) -> dict[int, ir.Type | int]:
        bound: dict[int, ir.Type | int] = {}
        for (_, ident), arg in zip(function.template_params, expr.template_args, strict=False):
            if isinstance(
                arg, (ir.Arithmetic, ir.Pointer, ir.Struct, ir.Named, ir.Reference, ir.ArrayType)
            ):
                bound[ident] = self.resolve(arg, expr.span)
            else:
                known = self.math.known(self.number(arg).expr)
                if known is None:
                    raise ReadError("XP1009", "a template argument is no constant", span=expr.span)
                bound[ident] = known
        for name, ident in function.template_params:  # deduced from the arguments
            if ident in bound:
                continue
            for variable, arg in zip(function.params, expr.args, strict=False):
                found = self._deduce(variable.type, name, arg)
                if found is not None:
                    bound[ident] = found
                    break
        return bound

    def _deduce(self, kind: ir.Type, name: str, arg: ir.Expr) -> ir.Type | None:
        if kind == ir.Named(name) or kind == ir.Reference(ir.Named(name)):
            value = self.value(arg)
            if isinstance(value, Number):
                return ir.Arithmetic(value.dtype)
            if isinstance(value, Address):
                return ir.Pointer(value.of)
            return value.kind if isinstance(value, Record) else None
        if kind == ir.Pointer(ir.Named(name)):
            value = self.value(arg)
            return value.of if isinstance(value, Address) else None
        return None

    def _inlined(
        self, frame: _Frame, params: tuple[ir.Variable, ...], body: ir.Block, expr: ir.Call
    ) -> Value:
        if len(params) != len(expr.args):
            raise ReadError("XP1009", "default arguments are not read", span=expr.span)
        bindings: list[tuple[ir.Variable, ir.Type, Value | _Place]] = []
        self.frames.append(frame)
        try:
            kinds = [self.resolve(v.type, v.span) if v.type != ir.AUTO else ir.AUTO for v in params]
        finally:
            self.frames.pop()
        for variable, declared, arg in zip(params, kinds, expr.args, strict=True):
            kind = declared
            if isinstance(kind, ir.Reference):
                if isinstance(arg, ir.Name) and isinstance(
                    self.env.get(arg.ident), (Number, Record)
                ):
                    bindings.append((variable, kind, _Variable(arg.ident)))
                    continue
                try:
                    bindings.append((variable, kind, self.place(arg)))
                    continue
                except ReadError:
                    kind = kind.to  # a temporary bound to a const reference
            value = self.value(arg)
            if kind == ir.AUTO and isinstance(value, Number):
                kind = ir.Arithmetic(value.dtype)
            bindings.append((variable, kind, self.convert(value, kind, expr.span)))
        self.frames.append(frame)
        try:
            for variable, kind, given in bindings:
                if isinstance(kind, ir.Reference):
                    self.env[variable.ident] = _Alias(given)  # type: ignore[arg-type]
                else:
                    self._local(variable, kind, given)  # type: ignore[arg-type]
            if frame.result not in (ir.VOID, ir.AUTO) and not _returns_once(body):
                frame.result_place = self.allocate(frame.name + "_result", frame.result, expr.span)
            self.run([body])
        finally:
            self.frames.pop()
        if frame.result_place is not None:
            return self.load(frame.result_place, expr.span)
        return frame.value

    # ------------------------------------------------------------ statements

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

    def run(self, statements: list[ir.Stmt]) -> bool:
        """Emits the statements; false where control never reaches their end."""
        for position, statement in enumerate(statements):
            rest = statements[position + 1 :]
            if isinstance(statement, ir.Block):
                if rest and _exits(statement):
                    return self.run([*statement.body, *rest])
                if not self.run(list(statement.body)):
                    return False
            elif isinstance(statement, ir.If):
                outcome = self._if(statement, rest)
                if outcome is not None:
                    return outcome
            elif isinstance(statement, ir.Switch):
                return self.run([self._as_ifs(statement), *rest])
            elif isinstance(statement, ir.Loop):
                self._loop(statement)
                live = self.frames[-1].live
                if live is not None and _returns(statement) and rest:
                    with self.collecting() as guarded:
                        self.run(rest)
                    self.branch(
                        tirx.NE(live[0], tir.const(0, "int32")), guarded, [], statement.span
                    )
                    return True
            elif isinstance(statement, ir.Return):
                self._return(statement)
                return False
            elif isinstance(statement, ir.Break):
                self._leave(self.frames[-1].loops[-1], statement.span)
                return False
            elif isinstance(statement, ir.Continue):
                return False
            elif isinstance(statement, ir.Declare):
                for variable in statement.variables:
                    self._declare(variable)
            elif isinstance(statement, ir.Evaluate):
                self.effect(statement.value)
            else:
                raise ReadError(
                    statement.code, statement.message, span=statement.span, hint=statement.hint
                )
        return True

    def effect(self, expr: ir.Expr) -> None:
        """An expression whose value nobody wants: `i++` is then `++i`."""
        if isinstance(expr, ir.Binary) and expr.op == ",":
            self.effect(expr.left)
            self.effect(expr.right)
        elif isinstance(expr, ir.Unary) and expr.op.startswith("post"):
            self.value(ir.Unary("pre" + expr.op[4:], expr.value, expr.span))
        else:
            self.value(expr)

    def _return(self, statement: ir.Return) -> None:
        frame = self.frames[-1]
        if statement.value is not None:
            value = self.value(statement.value)
            if frame.result_place is not None:
                self.store(frame.result_place, value, statement.span)
            elif frame.result == ir.AUTO:
                if not isinstance(frame.value, Nothing):
                    raise ReadError(
                        "XP1009",
                        "which of several returns gives the value depends on data",
                        span=statement.span,
                        hint="name the result's type: -> float",
                    )
                frame.value = self.freeze(value, statement.span)
            else:
                frame.value = self.freeze(
                    self.convert(value, frame.result, statement.span), statement.span
                )
        if frame.loops:
            for loop in frame.loops:
                self._leave(loop, statement.span)
            assert frame.live is not None
            address = Address(frame.live, tir.const(0, "int32"), ir.Arithmetic("int32"))
            self.store(address, self.math.number(0, "int32"), statement.span)

    def _leave(self, loop: _LoopFrame, span: Span) -> None:
        assert loop.running is not None
        address = Address(loop.running, tir.const(0, "int32"), ir.Arithmetic("int32"))
        self.store(address, self.math.number(0, "int32"), span)

    def _if(self, statement: ir.If, rest: list[ir.Stmt]) -> bool | None:
        """The branch; where a side exits, the rest of the list moves into the other one."""
        test = self.test(statement.test)
        known = None if tir.has_load(test) else self.math.known(test)
        sides: list[list[ir.Stmt]] = [
            [statement.then],
            [statement.other] if statement.other else [],
        ]
        if known is not None:
            return self.run([*sides[0 if known else 1], *rest])
        exits = _exits(statement)
        results, reached = [], []
        for side, holds in zip(sides, (test, self._negated(test)), strict=True):
            env = dict(self.env)
            with self.collecting() as body, self.assuming(holds):
                reached.append(self.run([*side, *rest] if exits else side))
            results.append((body, self.env))
            self.env = env
        (then, then_env), (other, other_env) = results
        self.branch(test, then, other, statement.span, early=exits and not self.frames[-1].loops)
        if exits and rest:
            return any(reached)
        if reached[0] and reached[1]:
            self.env = self._merged(test, then_env, other_env, statement.span)
        else:
            self.env = then_env if reached[0] else other_env
        return None if any(reached) else False

    def _merged(self, test: Expr, then: _Env, other: _Env, span: Span) -> _Env:
        merged: _Env = {}
        for ident in [key for key in then if key in other]:
            a, b = then[ident], other[ident]
            if a is b or _same_value(a, b):
                merged[ident] = a
            elif tir.has_load(test) or not isinstance(a, (Number, Address)):
                if isinstance(a, Number):
                    raise _Demote(ident)
                raise ReadError("XP1009", "a pointer depends on data", span=span)
            elif isinstance(a, Number) and isinstance(b, Number):
                merged[ident] = self.math.select(test, a, b)
            elif isinstance(a, Address) and isinstance(b, Address) and a.buffer.same_as(b.buffer):
                x, y = Number(a.offset, "int64"), Number(b.offset, "int64")
                merged[ident] = Address(a.buffer, self.math.select(test, x, y).expr, a.of)
            else:
                raise ReadError("XP1009", "a pointer to one of two arrays is not read", span=span)
        return merged

    def branch(
        self,
        test: Expr,
        then: list[Statement],
        other: list[Statement],
        span: Span,
        early: bool = False,
    ) -> None:
        """An if; one that only chooses a local's value becomes a selection."""
        if not then and not other:
            return
        if not then:
            test, then, other = self._negated(test), other, then
        first = then[0]
        if len(then) == 1 and isinstance(first, Store):
            value: Expr | None = None
            if len(other) == 1 and isinstance(other[0], Store):
                twin = other[0]
                if twin.buffer.same_as(first.buffer) and tir.same(twin.index, first.index):
                    value = twin.value
            elif not other and first.buffer.scope() == "local":
                value = first.buffer[first.index]
            if value is not None and not first.atomic:
                a = Number(first.value, first.buffer.dtype)
                b = Number(value, first.buffer.dtype)
                chosen = self.math.select(test, a, b)
                self.emit(Store(first.buffer, first.index, chosen.expr, first.span))
                return
        self.emit(Branch(test, tuple(then), tuple(other), span, early))

    def _negated(self, test: Expr) -> Expr:
        negated = tirx.Not(test)
        return negated if tir.has_load(test) else self.math.simplify(negated)

    def _as_ifs(self, switch: ir.Switch) -> ir.Stmt:
        """A switch whose cases all end in `break` or `return` as a chain of ifs."""
        chain: ir.Stmt = ir.Block((), switch.span)
        default: ir.Stmt | None = None
        for labels, body in reversed(switch.cases):
            flat = _flattened(body)
            ends = bool(flat) and isinstance(flat[-1], (ir.Break, ir.Return))
            if not ends and (labels, body) != switch.cases[-1]:
                raise ReadError("XP1009", "a case that falls through is not read", span=switch.span)
            inner = flat[:-1] if flat and isinstance(flat[-1], ir.Break) else flat
            block = ir.Block(tuple(inner), switch.span)
            if None in labels:
                default = block
                continue
            test: ir.Expr | None = None
            for label in labels:
                assert label is not None
                equal = ir.Binary("==", switch.value, label, switch.span)
                test = equal if test is None else ir.Binary("||", test, equal, switch.span)
            assert test is not None
            chain = ir.If(test, block, chain, switch.span)
        if default is None:
            return chain
        return _replace_last(chain, default, switch.span)

    # ------------------------------------------------------------ declarations

    def _declare(self, variable: ir.Variable) -> None:
        if variable.space == "shared":
            self._shared_array(variable)
            return
        if variable.type == ir.AUTO:
            assert variable.init is not None
            value = self.value(variable.init)
            kind: ir.Type = ir.AUTO
            if isinstance(value, Number):
                kind = ir.Arithmetic(value.dtype)
            elif isinstance(value, Address):
                kind = ir.Pointer(value.of)
            elif isinstance(value, Record):
                kind = value.kind
            self._local(variable, kind, value)
            return
        kind = self.resolve(variable.type, variable.span)
        if isinstance(kind, ir.Reference):
            assert variable.init is not None
            init = variable.init
            if isinstance(init, ir.Name) and isinstance(self.env.get(init.ident), Number):
                self.env[variable.ident] = _Alias(_Variable(init.ident))
            else:
                self.env[variable.ident] = _Alias(self.place(init))
            return
        if isinstance(kind, ir.ArrayType):
            if kind.extent is None:
                raise ReadError("XP1009", "an array without an extent", span=variable.span)
            self.env[variable.ident] = _Stored(self._initialised(variable, kind))
            return
        value = Nothing() if variable.init is None else self._initial(variable.init, kind)
        self._local(variable, kind, value)

    def _initial(self, init: ir.Expr, kind: ir.Type) -> Value:
        if isinstance(init, ir.InitList) and isinstance(kind, ir.Struct):
            return self._record(kind, [self.value(item) for item in init.items], init.span)
        if isinstance(init, ir.InitList) and not init.items and isinstance(kind, ir.Arithmetic):
            return self.math.number(0, kind.dtype)
        if isinstance(init, ir.Construct) and not init.args and isinstance(kind, ir.Struct):
            return Nothing()
        return self.value(init)

    def _local(self, variable: ir.Variable, kind: ir.Type, value: Value) -> None:
        """A scalar, pointer, class or lambda variable with its first value."""
        ident, span = variable.ident, variable.span
        self.types[ident] = kind
        if not isinstance(value, Nothing):
            value = self.convert(value, kind, span)
        in_memory = ident in self.demoted or isinstance(kind, ir.Struct)
        if isinstance(kind, ir.Arithmetic):
            in_memory |= "float" in kind.dtype
            in_memory |= isinstance(value, Number) and tir.has_load(value.expr)
        if in_memory:
            address = self.allocate(variable.name, kind, span)
            self.env[ident] = _Stored(address)
            if not isinstance(value, Nothing):
                self.store(address, value, span)
            return
        if isinstance(value, Nothing) and isinstance(kind, ir.Arithmetic):
            value = self.math.number(0, kind.dtype)  # reading it before it is set is undefined
        self.env[ident] = self.freeze(value, span) if isinstance(value, Address) else value

    def _initialised(self, variable: ir.Variable, kind: ir.Type) -> Address:
        address = self.allocate(variable.name, kind, variable.span)
        if variable.init is not None and not (
            isinstance(variable.init, ir.Construct) and not variable.init.args
        ):
            self._fill(address, kind, variable.init)
        return address

    def _fill(self, address: Address, kind: ir.Type, init: ir.Expr) -> None:
        """Stores of a braced initialiser; what it leaves out is zero."""
        if not isinstance(kind, ir.ArrayType):
            whole = Address(address.buffer, address.offset, kind)
            self.store(whole, self._initial(init, kind), init.span)
            return
        if not isinstance(init, ir.InitList):
            raise ReadError("XP1009", "this initialiser of an array is not read", span=init.span)
        if isinstance(kind.of, ir.ArrayType) and not any(
            isinstance(item, ir.InitList) for item in init.items
        ):  # the inner braces are left out
            kind = _flattened_array(kind)
        extent = kind.extent
        assert isinstance(extent, ir.Literal)
        step = self.elements(kind.of, address.buffer, init.span)
        for number in range(int(extent.value)):
            offset = self.math.simplify(address.offset + number * step)
            part = Address(address.buffer, offset, kind.of)
            if number < len(init.items):
                self._fill(part, kind.of, init.items[number])
            else:
                for inner in range(step):
                    zero = self.math.number(0, address.buffer.dtype)
                    moved = Address(
                        address.buffer,
                        self.math.simplify(offset + inner),
                        ir.Arithmetic(address.buffer.dtype),
                    )
                    self.store(moved, zero, init.span)

    def _shared_array(self, variable: ir.Variable) -> Address:
        kind = self.resolve(variable.type, variable.span)
        buffer = self.shared.get(variable.ident)
        if buffer is None:
            scalar = self._seen_as(variable) or _scalar(kind)
            if scalar is None:
                raise ReadError(
                    "XP1009", "shared memory of mixed types is not read", span=variable.span
                )
            if isinstance(kind, ir.ArrayType) and kind.extent is None:
                total = (self.source.launch or Launch()).shared_bytes // (BITS[scalar] // 8)
                if total <= 0:
                    raise ReadError(
                        "XP1011",
                        f"{variable.name!r} is dynamic shared memory "
                        "and the launch gives it no bytes",
                        span=variable.span,
                        hint="give them as --shared BYTES, or Launch(shared_bytes=...)",
                    )
            else:
                fake = tirx.decl_buffer((1,), scalar)
                total = self.elements(kind, fake, variable.span)
            buffer = self.buffer(variable.name, scalar, total, "shared")
            self.shared[variable.ident] = buffer
        address = Address(buffer, tir.const(0, "int32"), kind)
        self.env[variable.ident] = _Stored(address)
        return address

    def _seen_as(self, variable: ir.Variable) -> str | None:
        """What an arena of bytes holds: the one type that its casts name."""
        kind = self.resolve(variable.type, variable.span)
        if _scalar(kind) not in ("int8", "uint8"):
            return None
        found: set[str] = set()
        for function in self.unit.functions.values():
            if function.body is None:
                continue
            for node in _walk(function.body):
                if (
                    isinstance(node, ir.Cast)
                    and isinstance(node.to, ir.Pointer)
                    and any(
                        isinstance(n, ir.Name) and n.ident == variable.ident
                        for n in _walk(node.value)
                    )
                ):
                    scalar = _scalar(self.resolve(node.to.to, node.span))
                    found.add(scalar or "")
        return found.pop() if len(found) == 1 else None

    # ------------------------------------------------------------ loops

    def _loop(self, loop: ir.Loop) -> None:
        if loop.init is not None:
            self.run([loop.init])
        frame = _LoopFrame()
        returns, breaks = _returns(loop.body), _breaks(loop.body)
        current = self.frames[-1]
        if returns and current.live is None:
            current.live = self.flag("live", loop.span)
        if breaks or returns:
            frame.running = self.flag("running", loop.span)
        current.loops.append(frame)
        try:
            if not (self._counted(loop, frame) or self._unrolled(loop, frame)):
                self._while(loop, frame)
        finally:
            current.loops.pop()

    def _running(self, frame: _LoopFrame) -> Expr | None:
        if frame.running is None:
            return None
        return tirx.NE(frame.running[0], tir.const(0, "int32"))

    def _assigned(self, *parts: Any) -> set[int]:
        """Variables of the environment that the parts assign."""
        found: set[int] = set()
        for node in _walk(parts):
            target: Any = None
            if isinstance(node, ir.Assign):
                target = node.target
            elif isinstance(node, ir.Unary) and node.op.endswith(("++", "--")):
                target = node.value
            elif isinstance(node, ir.Call) and isinstance(node.callee, ir.Name):
                found |= self._assigned_by_call(node)
            while isinstance(target, ir.Member):
                target = target.base
            if isinstance(target, ir.Name):
                found.add(self._root(target.ident))
        return {
            ident for ident in found if isinstance(self.env.get(ident), (Number, Address, Record))
        }

    def _root(self, ident: int) -> int:
        binding = self.env.get(ident)
        if isinstance(binding, _Alias) and isinstance(binding.place, _Variable):
            return self._root(binding.place.ident)
        return ident

    def _assigned_by_call(self, call: ir.Call) -> set[int]:
        assert isinstance(call.callee, ir.Name)
        binding = self.env.get(call.callee.ident)
        if isinstance(binding, Closure):
            return self._assigned(binding.source.body)
        function = self.unit.functions.get(call.callee.ident) or self.unit.named(call.callee.name)
        params = function.params if function is not None else ()
        return {
            self._root(arg.ident)
            for arg, param in zip(call.args, params, strict=False)
            if isinstance(arg, ir.Name) and isinstance(param.type, ir.Reference)
        }

    def _counted(self, loop: ir.Loop, frame: _LoopFrame) -> bool:
        """Emits the loop with a trip count in closed form; false where there is none."""
        if not isinstance(loop.test, ir.Binary) or loop.test.op not in ("<", ">", "<=", ">=", "!="):
            return False
        changed = self._assigned(loop.body, loop.step, loop.test)
        steps: dict[int, int] = {}
        for ident in sorted(changed):
            step = self._induction(loop, ident, changed)
            if step is not None:
                steps[ident] = step
        others = sorted(changed - set(steps))
        if not steps:
            return False
        counter = tirx.Var(self._counter_name(loop), "int32")
        starts = {ident: self.env[ident] for ident in steps}
        extent = self._trip_count(loop, counter, starts, steps)
        if extent is None:
            return False
        known = tir.as_const(extent)
        if known == 0 and loop.test_first:
            return True
        if others or frame.running is not None:
            lasting = [i for i in steps if not self._declared_in(loop, i)]
            if others and known is not None and known <= UNROLL_SMALL and frame.running is None:
                return False  # the unroller takes it
            for ident in [*others, *(lasting if frame.running is not None else [])]:
                raise _Demote(ident)
        if any(uses for uses in tir.loads(extent)):
            return False
        # A trip count that differs between threads or iterations becomes the largest and a guard.
        low, high = self.math.bounds(extent)
        guard = None
        if known is None and high < 1 << 24:
            guard, whole = tirx.LT(counter, extent), tir.const(high, "int32")
        else:
            whole = extent if low >= 0 else tirx.max(extent, tir.const(0, tir.dtype_of(extent)))
        self.analyzer.bind(counter, Range(0, whole))
        for ident, step in steps.items():
            self.env[ident] = self._advanced(starts[ident], counter, step, loop.span)
        if guard is not None and loop.test_first:
            guard = self.test(loop.test)  # the same, in the source's terms
        inside = dict(self.env)
        tests = [test for test in (guard, self._running(frame)) if test is not None]
        with self.collecting() as body:
            if tests:
                known = guard if guard is not None else tir.const(True, "bool")
                with self.collecting() as guarded, self.assuming(known):
                    self._body(loop, tuple(steps))
                for test in reversed(tests):
                    plain = test if tir.has_load(test) else self.math.simplify(test)
                    if tir.as_const(plain) == 1:
                        continue
                    guarded = [Branch(plain, tuple(guarded), (), loop.span)]
                self.out.extend(guarded)
            else:
                self._body(loop, tuple(steps))
        self.env = {ident: b for ident, b in self.env.items() if ident in inside}
        for ident, step in steps.items():
            final = tirx.max(extent, tir.const(0, tir.dtype_of(extent)))
            final = self.math.simplify(final)
            self.env[ident] = self._advanced(starts[ident], final, step, loop.span)
        if body:
            self.emit(Loop(counter, whole, tuple(body), False, loop.span))
        return True

    def _body(self, loop: ir.Loop, inductions: tuple[int, ...]) -> None:
        """One iteration, the inductions' own updates included (they are expressions)."""
        self.run([loop.body])
        if loop.step is not None:
            self.effect(loop.step)
        del inductions

    def _counter_name(self, loop: ir.Loop) -> str:
        if isinstance(loop.init, ir.Declare):
            return self._name(loop.init.variables[0].name)
        return self._name("i")

    def _declared_in(self, loop: ir.Loop, ident: int) -> bool:
        return isinstance(loop.init, ir.Declare) and any(
            variable.ident == ident for variable in loop.init.variables
        )

    def _advanced(self, start: _Binding, count: Expr, step: int, span: Span) -> Value:
        if isinstance(start, Address):
            moves = self.math.number(step, "int64")
            times = self.math.binary("*", Number(count, "int64"), moves, span)
            return self._moved(start, times, 1, span)
        assert isinstance(start, Number)
        times = self.math.binary("*", Number(count, "int32"), self.math.number(step, "int32"), span)
        moved = self.math.binary(
            "+",
            Number(start.expr, "int32") if tir.dtype_of(start.expr) == "int32" else start,
            times,
            span,
        )
        return Number(moved.expr, start.dtype)

    def _induction(self, loop: ir.Loop, ident: int, changed: set[int]) -> int | None:
        """The constant by which each iteration moves the variable."""
        if isinstance(self.env.get(ident), Record):
            return None
        updates = [
            node for node in _walk((loop.body, loop.step, loop.test)) if self._updates(node, ident)
        ]
        if len(updates) != 1:
            return None
        (update,) = updates
        in_step = any(node is update for node in _walk((loop.step,)))
        top = [s.value for s in _flattened((loop.body,)) if isinstance(s, ir.Evaluate)]
        if not in_step and (not any(update is v for v in top) or _continues(loop.body)):
            return None
        amount: ir.Expr | None = None
        sign = 1
        if isinstance(update, ir.Unary):
            return 1 if update.op.endswith("++") else -1
        if isinstance(update, ir.Assign):
            if update.op in ("+", "-"):
                amount, sign = update.value, 1 if update.op == "+" else -1
            elif not update.op and isinstance(update.value, ir.Binary) and update.value.op in "+-":
                left, right = update.value.left, update.value.right
                if isinstance(left, ir.Name) and self._root(left.ident) == ident:
                    amount, sign = right, 1 if update.value.op == "+" else -1
                elif (
                    isinstance(right, ir.Name)
                    and self._root(right.ident) == ident
                    and (update.value.op == "+")
                ):
                    amount = left
        if amount is None or self._assigned(amount):
            return None
        if any(isinstance(n, ir.Name) and self._root(n.ident) in changed for n in _walk((amount,))):
            return None
        if any(isinstance(n, (ir.Subscript, ir.Call)) for n in _walk((amount,))):
            return None
        try:
            value = self.value(amount)
        except ReadError:
            return None  # it names something declared inside the loop
        known = (
            self.math.known(value.expr)
            if isinstance(value, Number) and not value.is_float and (not tir.has_load(value.expr))
            else None
        )
        return None if known is None else sign * known

    def _updates(self, node: Any, ident: int) -> bool:
        target = None
        if isinstance(node, ir.Assign):
            target = node.target
        elif isinstance(node, ir.Unary) and node.op.endswith(("++", "--")):
            target = node.value
        elif isinstance(node, ir.Call) and isinstance(node.callee, ir.Name):
            return ident in self._assigned_by_call(node)
        return isinstance(target, ir.Name) and self._root(target.ident) == ident

    def _trip_count(
        self, loop: ir.Loop, counter: Var, starts: dict[int, _Binding], steps: dict[int, int]
    ) -> Expr | None:
        """How often the body runs: the test is linear in the iteration's number."""
        assert isinstance(loop.test, ir.Binary)
        if self._assigned(loop.test):
            return None

        def difference(iteration: Expr) -> Expr | None:
            env = dict(self.env)
            try:
                for ident, step in steps.items():
                    self.env[ident] = self._advanced(starts[ident], iteration, step, loop.span)
                with self.collecting():
                    assert isinstance(loop.test, ir.Binary)
                    left, right = self.value(loop.test.left), self.value(loop.test.right)
            finally:
                self.env = env
            if isinstance(left, Address) and isinstance(right, Address):
                if not left.buffer.same_as(right.buffer):
                    return None
                left, right = Number(left.offset, "int64"), Number(right.offset, "int64")
            if not isinstance(left, Number) or not isinstance(right, Number):
                return None
            if (
                left.is_float
                or right.is_float
                or tir.has_load(left.expr)
                or tir.has_load(right.expr)
            ):
                return None
            a, b = left.expr, right.expr
            if tir.dtype_of(a) != tir.dtype_of(b):
                a, b = self.math._as(a, "int64"), self.math._as(b, "int64")
            if tir.dtype_of(a) not in ("int32", "int64"):
                return None
            return self.math.simplify(b - a)

        zero, one = tir.const(0, "int32"), tir.const(1, "int32")
        first, second = difference(zero), difference(one)
        if first is None or second is None:
            return None
        slope = self.math.known(second - first)
        op = loop.test.op
        if op in (">", ">="):
            if slope is None:
                return None
            first, slope, op = self.math.simplify(first * -1), -slope, op.replace(">", "<")
        if op == "!=":
            if slope not in (1, -1):
                return None
            count = first if slope == -1 else first * -1
            return self.math.simplify(count)
        if slope is None or slope >= 0:
            known = self.math.known(first > 0 if op == "<" else first >= 0)
            return tir.const(0, "int32") if known == 0 and loop.test_first else None
        if not loop.test_first:  # the test follows the update
            first = self.math.simplify(first + slope)
        stride = tir.const(-slope, tir.dtype_of(first))
        room = first + (stride - 1) if op == "<" else first + stride
        count = self.math.simplify(tirx.floordiv(room, stride))
        if not loop.test_first:
            count = self.math.simplify(tirx.max(count, tir.const(0, tir.dtype_of(count))) + 1)
        low, high = self.math.bounds(count)
        if tir.dtype_of(count) == "int64" and low >= -(1 << 31) and high < 1 << 31:
            count = self.math.simplify(tirx.Cast("int32", count))
        if tir.dtype_of(count) != "int32":
            return None
        return self.math.simplify(tirx.max(count, zero)) if high <= 0 else count

    def _unrolled(self, loop: ir.Loop, frame: _LoopFrame) -> bool:
        """Emits the loop iteration by iteration while its test is known; false where it is not."""
        if loop.test is None or frame.running is not None:
            return False
        if _has_call(loop.test, self) or self._known_test(loop.test) is None:
            return False
        env, kept = dict(self.env), list(self.out)
        if loop.test_first and self._known_test(loop.test) == 0:
            return True
        for _ in range(UNROLL_LIMIT):
            if not self.run([loop.body]) and not _continues(loop.body):
                return True
            if loop.step is not None:
                self.effect(loop.step)
            known = self._known_test(loop.test)
            if known == 0:
                return True
            if known is None:
                break
        self.env = env
        self.out[:] = kept
        return False

    def _known_test(self, test: ir.Expr) -> int | None:
        with self.collecting():
            expr = self.test(test)
        return None if tir.has_load(expr) else self.math.known(expr)

    def _while(self, loop: ir.Loop, frame: _LoopFrame) -> None:
        """A loop whose end depends on data."""
        for ident in sorted(self._assigned(loop.body, loop.step, loop.test)):
            binding = self.env[ident]
            if isinstance(binding, Number):
                raise _Demote(ident)
            raise LiftError("XP2002", "a pointer moves in a loop of unknown length", span=loop.span)
        running = self._running(frame)
        if not loop.test_first and running is None:
            frame.running = self.flag("running", loop.span)
            running = self._running(frame)
        inside = dict(self.env)
        with self.collecting() as before:
            test = self.test(loop.test) if loop.test is not None and loop.test_first else None
        if any(not any(s is watch for watch in self.watches) for s in before):
            raise LiftError("XP2002", "the test of this loop has a side effect", span=loop.span)
        with self.collecting() as body:
            self._body(loop, ())
            if not loop.test_first and loop.test is not None:
                assert frame.running is not None and running is not None
                again = self.test(loop.test)
                both = tirx.if_then_else(running, again, tir.const(False, "bool"))
                flag = Address(frame.running, tir.const(0, "int32"), ir.Arithmetic("int32"))
                self.store(flag, Number(tirx.Cast("int32", both), "int32"), loop.span)
        self.env = {ident: b for ident, b in self.env.items() if ident in inside}
        tests = [t for t in (running, test) if t is not None]
        whole = tests[0] if tests else tir.const(True, "bool")
        if len(tests) == 2:
            whole = tirx.if_then_else(tests[0], tests[1], tir.const(False, "bool"))
        if tir.as_const(whole) == 1 or not tir.has_load(whole):
            raise LiftError("XP2002", "this loop never ends", span=loop.span)
        if any(map(holds_barrier, body)):
            raise LiftError(
                "XP2001",
                "a barrier stands in a loop whose length is known only at run time",
                span=loop.span,
            )
        self.emit(While(whole, tuple(body), loop.span))

    # ------------------------------------------------------------ collectives

    def barrier(self, span: Span, warp: bool = False) -> None:
        self.emit(Barrier(span, warp))

    def exchange(self, value: Number, lane: Callable[[Expr], Expr], span: Span) -> Number:
        """Each thread's `value` as another thread of its warp holds it.

        `lane(own)` gives the lane to read. The values pass through a block-wide array between
        two barriers, which is what a shuffle means.
        """
        key = value.dtype
        if key not in self.scratch:
            self.scratch[key] = self.buffer("lanes_" + key, key, self.block_size, "shared")
        buffer = self.scratch[key]
        expr = value.expr if tir.dtype_of(value.expr) == key else tirx.Cast(key, value.expr)
        self.barrier(span, warp=True)
        self.emit(Store(buffer, self.linear_thread, expr, span))
        self.barrier(span, warp=True)
        own = self.math.simplify(tirx.floormod(self.linear_thread, tir.const(self.warp, "int32")))
        other = self.math.simplify(self.linear_thread - own + lane(own))
        address = self.allocate("lane", ir.Arithmetic(key), span)
        self.emit(Store(address.buffer, tir.const(0, "int32"), buffer[other], span))
        result = self.load(address, span)
        assert isinstance(result, Number)
        return result


# ---------------------------------------------------------------- questions about the IR


def _walk(node: Any) -> Iterator[Any]:
    """A node and all below it."""
    if isinstance(node, tuple):
        for item in node:
            yield from _walk(item)
    elif is_dataclass(node) and not isinstance(node, (Span, ir.Struct)):
        yield node
        for item in fields(node):
            yield from _walk(getattr(node, item.name))


def _inside_loops(node: Any) -> Iterator[Any]:
    """Like `_walk`, without going into nested loops, lambdas or switches."""
    if isinstance(node, tuple):
        for item in node:
            yield from _inside_loops(item)
    elif is_dataclass(node) and not isinstance(node, (Span, ir.Loop, ir.Lambda, ir.Switch)):
        yield node
        for item in fields(node):
            yield from _inside_loops(getattr(node, item.name))


def _exits(node: Any) -> bool:
    """Whether control may leave the statement other than by its end."""
    return _returns(node) or any(
        isinstance(n, (ir.Break, ir.Continue)) for n in _inside_loops(node)
    )


def _returns(node: Any) -> bool:
    if isinstance(node, ir.Lambda):
        return False
    if isinstance(node, tuple):
        return any(map(_returns, node))
    if isinstance(node, ir.Return):
        return True
    if is_dataclass(node) and not isinstance(node, Span):
        return any(_returns(getattr(node, item.name)) for item in fields(node))
    return False


def _breaks(body: ir.Stmt) -> bool:
    return any(isinstance(n, ir.Break) for n in _inside_loops(body))


def _continues(body: ir.Stmt) -> bool:
    return any(isinstance(n, ir.Continue) for n in _inside_loops(body))


def _returns_once(body: ir.Block) -> bool:
    """Whether the only return is the last statement."""
    flat = _flattened(body.body)
    return bool(flat) and isinstance(flat[-1], ir.Return) and not any(map(_returns, flat[:-1]))


def _flattened(body: tuple[ir.Stmt, ...]) -> list[ir.Stmt]:
    flat: list[ir.Stmt] = []
    for statement in body:
        flat += _flattened(statement.body) if isinstance(statement, ir.Block) else [statement]
    return flat


def _replace_last(chain: ir.Stmt, default: ir.Stmt, span: Span) -> ir.Stmt:
    if isinstance(chain, ir.If) and chain.other is not None:
        return ir.If(chain.test, chain.then, _replace_last(chain.other, default, span), chain.span)
    return default


def _has_call(test: ir.Expr, evaluator: _Evaluator) -> bool:
    return bool(evaluator._assigned(test))


def _scalar(kind: ir.Type) -> str | None:
    """The one element type of an object, or `None` where it is mixed."""
    if isinstance(kind, ir.ArrayType):
        return _scalar(kind.of)
    if isinstance(kind, ir.Struct):
        found = {_scalar(of) for _, of in kind.fields}
        return found.pop() if len(found) == 1 else None
    return kind.dtype if isinstance(kind, ir.Arithmetic) else None


def _flattened_array(kind: ir.ArrayType) -> ir.ArrayType:
    """An array of arrays as one array of all their elements."""
    count, inner, span = 1, kind, Span("", 1, 1)
    while isinstance(inner, ir.ArrayType):
        assert isinstance(inner.extent, ir.Literal)
        count, span = count * int(inner.extent.value), inner.extent.span
        inner = inner.of  # type: ignore[assignment]
    return ir.ArrayType(inner, ir.Literal(count, "int32", span))


def _is_constant(value: Number) -> bool:
    return isinstance(value.expr, (tirx.IntImm, tirx.FloatImm))


def _reads(expr: Expr, buffer: Buffer) -> bool:
    return any(load.source.same_as(buffer) for load in tir.loads(expr))


def _same_value(a: Any, b: Any) -> bool:
    if isinstance(a, Number) and isinstance(b, Number):
        return tir.same(a.expr, b.expr)
    if isinstance(a, Address) and isinstance(b, Address):
        return bool(a.buffer.same_as(b.buffer)) and tir.same(a.offset, b.offset)
    return False


__all__ = ["ThreadProgram", "common", "evaluate"]
