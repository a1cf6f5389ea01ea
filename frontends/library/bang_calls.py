"""A call of one of BANG C's intrinsics: its operands, and the loops that it becomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from tvm import tirx
from tvm.ir import Range

from xpiler_tvm import tir
from xpiler_tvm.dialects.bang import ARCHS, DEFAULT_ARCH, Arch
from xpiler_tvm.dialects.bang_layouts import Extents, Rules
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.tir import Buffer, Expr

from .. import ir
from ..arenas import Arena
from ..arithmetic import sums_of_ints
from ..partial_eval.questions import reads_buffer
from ..program import Branch, Loop
from ..values import BITS, Address, Number, Value, unit_of
from .meanings import evaluate

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

PACKED = ir.Struct("int4x2_t", (("bits", ir.Arithmetic("uint8")),))
"""What holds two int4."""
_LARGEST_GUARDED = 1 << 24


@dataclass(frozen=True, eq=False)
class Vector:
    """Elements of `dtype` from `address`; two `int4` share a byte, the lower half first."""

    address: Address
    dtype: str

    @property
    def bits(self) -> int:
        return 4 if self.dtype == "int4" else BITS[self.dtype]


@dataclass(frozen=True, eq=False)
class Intrinsic:
    """A call: `args` are its arguments' values."""

    ev: Calls
    name: str
    args: Sequence[Value]
    span: Span

    @property
    def strict(self) -> bool:
        return self.ev.source.mode == "strict"

    @property
    def chip(self) -> Arch:
        return ARCHS[DEFAULT_ARCH]

    def refuse(self, why: str, hint: str = "") -> NoReturn:
        """Raises `ReadError` XP1002: the call is not valid."""
        raise ReadError("XP1002", f"{self.name}: {why}", span=self.span, hint=hint)

    def refuse_unread(self, why: str, hint: str = "") -> NoReturn:
        """Raises `ReadError` XP1009: the call may be valid."""
        raise ReadError("XP1009", f"{self.name}: {why}", span=self.span, hint=hint)

    # ------------------------------------------------------------ arguments

    def expect(self, least: int, most: int | None = None) -> None:
        most = least if most is None else most
        if not least <= len(self.args) <= most:
            wanted = str(least) if most == least else f"{least} to {most}"
            self.refuse(f"takes {wanted} arguments, {len(self.args)} are given")

    def is_pointer(self, position: int) -> bool:
        return position < len(self.args) and isinstance(self.args[position], Address)

    def address(self, position: int) -> Address:
        value = self.args[position]
        if not isinstance(value, Address):
            self.refuse(f"argument {position + 1} is no pointer")
        return value

    def vector(
        self, position: int, space: str = "NRAM", *, dtypes: Sequence[str] | None = None
    ) -> Vector:
        """An operand in memory `space`, of one of `dtypes` where these are given."""
        address = self.address(position)
        found = dtype_of(address.of)
        if found is None or (dtypes is not None and found not in dtypes):
            kind = "this type" if found is None else found
            self.refuse(f"has no form for {kind}", f"it is for {', '.join(dtypes or ())}")
        self.require_operand(address, space, f"argument {position + 1}")
        return Vector(address, found)

    def number(self, position: int) -> Number:
        value = self.args[position]
        if not isinstance(value, Number):
            self.refuse(f"argument {position + 1} is no number")
        return value

    def integer(self, position: int) -> Number:
        """An `int` parameter; one that is read from memory is held."""
        given = self.number(position)
        narrow = sums_of_ints(given.expr if given.exact is None else given.exact, "int32")
        value = given if narrow is None else Number(narrow, "int32")
        held = self.ev.freeze(self.ev.math.convert(value, "int32"), self.span)
        assert isinstance(held, Number)
        return Number(self.ev.math.simplify(held.expr), "int32")

    def count(self, position: int) -> Expr:
        """How many elements: an `int` above zero."""
        extent = self.integer(position).expr
        known = self.ev.math.known(extent)
        if known is not None and known <= 0:
            self.refuse(f"{known} elements")
        return extent

    def scalar(self, position: int, dtype: str, *written: Vector) -> Number:
        """A number by value, as it was before the call writes to `written`."""
        value = self.ev.math.convert(self.number(position), dtype)
        buffers = [buffer for one in written for buffer in _buffers(one.address)]
        if any(reads_buffer(value.expr, buffer) for buffer in buffers):
            held = self.ev.freeze(value, self.span)
            assert isinstance(held, Number)
            return held
        return value

    # ------------------------------------------------------------ rules

    def require_operand(self, address: Address, space: str, role: str) -> None:
        """That an operand of a vector operation lies in `space`.

        Public kernels also name arrays in GDRAM, for which there is no instruction: they are read
        as what they mean, with an assumption that says so.
        """
        if self.strict or space != "NRAM" or space_of(self.ev, address) != "GDRAM":
            hint = "public kernels that name it are read with mode='lenient'"
            self.require_space(address, space, role, hint if space == "NRAM" else "")
            return
        self.ev.math.assumptions.add(
            f"{self.name} reaches GDRAM, which no vector unit does: {role}, line {self.span.line}"
        )

    def require_space(self, address: Address, space: str, role: str, hint: str = "") -> None:
        found = space_of(self.ev, address)
        # The stack lies in NRAM by default, so its variables are good operands.
        if found == space or (found == "stack" and space in ("NRAM", "LDRAM")):
            return
        if found == "stack" and space == "WRAM" and not self.strict:
            return
        lies = f"{role} lies in {'NRAM' if found == 'stack' else found}, not in {space}"
        self.refuse(lies, hint if found == "GDRAM" else "")

    def require(self, rules: Rules, values: dict[str, Number]) -> None:
        """The conditions on the arguments, as far as they are known here."""
        for condition, said in dict.fromkeys(rules):
            test = evaluate(self.ev, condition, values, self.span)
            if self.ev.math.known(self.ev.math.truth(test)) == 0:
                self.refuse(said)

    def require_apart(
        self, target: Vector, targets: Expr, source: Vector, sources: Expr, *, in_place: bool
    ) -> None:
        """That two operands share no memory, except exactly where `in_place`."""
        if target.address.buffer is not source.address.buffer:
            return
        math, unit = self.ev.math, unit_of(target.address.buffer)
        sizes = [
            math.known(tirx.ceildiv(count * one.bits, 8))
            for count, one in ((targets, target), (sources, source))
        ]
        apart = math.known((target.address.offset - source.address.offset) * unit)
        if apart is None or sizes[0] is None or sizes[1] is None:
            return
        if apart == 0 and not in_place:
            self.refuse("does not work in place")
        if apart != 0 and apart < sizes[1] and -apart < sizes[0]:
            self.refuse("operands overlap in part")

    # ------------------------------------------------------------ loops and elements

    @contextmanager
    def loop(self, hint: str, extent: Expr) -> Iterator[Expr]:
        """What is emitted inside is done for the value it gives, from 0 to `extent`.

        Extents that differ between cores or iterations become the largest and a guard.
        """
        ev, math = self.ev, self.ev.math
        known = math.known(extent)
        if known == 1:
            yield tir.const(0, "int32")
            return
        limits = [math.simplify(limit) for limit in _least_of(extent)]
        low, high = math.bounds(extent)[0], min(math.bounds(limit)[1] for limit in limits)
        guarded = known is None and not tir.has_load(extent) and 0 < high < _LARGEST_GUARDED
        whole = extent if known is None else tir.const(known, "int32")
        if guarded:
            whole = tir.const(high, "int32")
        elif low < 0:
            whole = tirx.max(extent, tir.const(0, "int32"))
        var = tirx.Var(ev._name(hint), "int32")
        ev.analyzer.bind(var, Range(0, whole))
        # As tests of indices are simplified: `base + i < end` and not `i < end - base`.
        test = tir.conjunction(
            math.simplify(var - limit < 0) for limit in (limits if guarded else [])
        )
        with ev.collecting() as body, ev.assuming(test):
            yield var
        test = math.simplify(test)
        inner = tuple(body)
        if tir.as_const(test) != 1:
            inner = (Branch(test, inner, (), self.span),)
        ev.emit(Loop(var, whole, inner, False, self.span))

    @contextmanager
    def nest(self, extents: Extents, values: dict[str, Number]) -> Iterator[dict[str, Number]]:
        """Loops over `extents`, C expressions of `values`; gives the loops' variables too."""
        if not extents:
            yield values
            return
        (name, extent), *rest = extents
        size = self.expr(extent, values)
        with (
            self.loop(name, size) as var,
            self.nest(tuple(rest), {**values, name: Number(var, "int32")}) as inner,
        ):
            yield inner

    def expr(self, text: str, values: dict[str, Number]) -> Expr:
        """An index or an extent, from its C expression."""
        number = self.ev.math.convert(evaluate(self.ev, text, values, self.span), "int32")
        return self.ev.math.simplify(number.expr)

    def read(self, vector: Vector, index: Expr) -> Number:
        """An element as it is computed with: sixteen-bit floats in float."""
        ev, span = self.ev, self.span
        if vector.dtype == "int4":
            return self._nibble(vector, index)
        loaded = ev.load(element(ev, vector, index, span), span)
        assert isinstance(loaded, Number)
        return ev.math.convert(loaded, "float32") if is_sixteen(vector.dtype) else loaded

    def write(self, vector: Vector, index: Expr, value: Number, *, atomic: bool = False) -> None:
        """The element becomes `value`, rounded to its type."""
        ev, span = self.ev, self.span
        if vector.dtype != "int4":
            ev.store(element(ev, vector, index, span), value, span, atomic)
            return
        place = Vector(vector.address, "uint8")
        byte = ev.math.simplify(tirx.floordiv(index, 2))
        high = tirx.EQ(tirx.floormod(index, 2), tir.const(1, "int32"))
        four = tirx.bitwise_and(ev.math.convert(value, "int32").expr, tir.const(15, "int32"))
        names = {
            "old": ev.math.convert(self.read(place, byte), "int32"),
            "new": Number(four, "int32"),
        }
        lower = evaluate(ev, "(old & 240) | new", names, span)
        upper = evaluate(ev, "(old & 15) | new << 4", names, span)
        self.write(place, byte, ev.math.select(ev.math.simplify(high), upper, lower))

    def _nibble(self, vector: Vector, index: Expr) -> Number:
        ev = self.ev
        byte = self.read(Vector(vector.address, "uint8"), ev.math.simplify(index // 2))
        shift = ev.math.simplify(tirx.floormod(index, 2) * 4)
        bits = tirx.shift_right(tirx.Cast("int32", byte.expr), shift)
        four = tirx.bitwise_and(bits, tir.const(15, "int32"))
        eight = tir.const(8, "int32")
        return Number(tirx.bitwise_xor(four, eight) - eight, "int32")

    def local(self, hint: str, value: Number) -> Vector:
        """A number in memory, with its first value."""
        address = self.ev.allocate(hint, ir.Arithmetic(value.dtype), self.span)
        self.ev.store(address, value, self.span)
        return Vector(address, value.dtype)

    def value_of(self, local: Vector) -> Number:
        loaded = self.ev.load(local.address, self.span)
        assert isinstance(loaded, Number)
        return loaded

    def moved(self, vector: Vector, elements: Expr | int) -> Vector:
        """The vector from a later element."""
        return Vector(element(self.ev, vector, elements, self.span), vector.dtype)

    def seen_as(self, vector: Vector, dtype: str) -> Vector:
        """The same memory as elements of another type."""
        address = self.ev.convert(vector.address, ir.Pointer(ir.Arithmetic(dtype)), self.span)
        assert isinstance(address, Address)
        return Vector(address, dtype)


def _least_of(extent: Expr) -> list[Expr]:
    """What an extent is the minimum of."""
    if isinstance(extent, tirx.Min):
        return _least_of(extent.a) + _least_of(extent.b)
    if isinstance(extent, tirx.Sub):
        return [left - extent.b for left in _least_of(extent.a)]
    if isinstance(extent, tirx.Add):
        return [a + b for a in _least_of(extent.a) for b in _least_of(extent.b)]
    return [extent]


def element(ev: Calls, vector: Vector, index: Expr | int, span: Span) -> Address:
    """The place of an element that has one of its own."""
    kind = ir.Arithmetic(vector.dtype)
    start = ev.convert(vector.address, ir.Pointer(kind), span)
    assert isinstance(start, Address)
    move = tir.const(index, "int32") if isinstance(index, int) else index
    return ev._moved(start, Number(move, "int32"), 1, span)


def dtype_of(kind: ir.Type) -> str | None:
    """The element type of a vector that a pointer to `kind` points to."""
    if isinstance(kind, ir.Arithmetic):
        return kind.dtype
    return "int4" if isinstance(kind, ir.Struct) and kind.name == PACKED.name else None


def is_sixteen(dtype: str) -> bool:
    return dtype in ("float16", "bfloat16")


def _buffers(address: Address) -> list[Buffer]:
    memory = address.buffer
    return memory.buffers if isinstance(memory, Arena) else [memory]


def space_of(ev: Calls, address: Address) -> str:
    """The memory that a place is in: `NRAM`, `WRAM`, `LDRAM`, `SRAM`, `GDRAM` or `stack`."""
    memory = address.buffer
    for one in (memory, *_buffers(address)):
        if one in ev.spaces:
            return ev.spaces[one]
        if one in ev.param_of:
            return "GDRAM"
    return "stack"
