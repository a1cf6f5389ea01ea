"""Objects in memory: allocation, reads and stores of any type, conversions."""

from __future__ import annotations

from collections.abc import Callable

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.tir import Buffer, Expr

from .. import ir, library
from ..arenas import Access, Arena, Region
from ..program import Alloc, Loop, Statement, Store
from ..values import (
    BITS,
    Address,
    Lanes,
    Nothing,
    Number,
    Record,
    Value,
    offsets_of,
    size_of,
    unit_of,
)
from .bits import as_bits, as_number, joined, part_of, parts_of, with_part
from .questions import reads_buffer, scalar_of
from .registers import as_integer, as_mask, bytes_of, is_mask, is_register, resized, viewed
from .state import (
    Alias,
    Demote,
    FieldPointer,
    Mixed,
    Moves,
    Place,
    Stored,
    StoredPointer,
    VariablePlace,
)
from .types import Types

_ADDRESSES = ("int32", "uint32", "int64", "uint64")
"""Integers that may hold the number of a place; they are moved by bytes."""


class Memory(Types):
    """Objects in memory: allocation, reads and stores of any type, conversions."""

    # ------------------------------------------------------------ objects

    def allocate(
        self, name: str, kind: ir.Type, span: Span, scope: str = "local", ident: int = 0
    ) -> Address:
        """An object in memory. One of `ident` may be an arena; registers and unions are."""
        element = kind
        while isinstance(element, ir.ArrayType):
            element = element.of
        if ident and (is_register(element) or isinstance(element, ir.Union)):
            self.findings.layouts.setdefault(ident, None)
        scalar, layout = scalar_of(kind), self.findings.layouts.get(ident, ())
        size, zero = size_of(kind, span), tir.const(0, "int32")
        if scalar is not None and library.matrix.holds_fragments(kind):
            elements = size // (BITS[scalar] // 8)
            return library.matrix.allocated(self, name, kind, elements, span)  # type: ignore[arg-type]
        if layout is None or layout:
            arena = Arena(name, size, scope, ident, size, [])
            self.arenas.setdefault(ident, []).append(arena)
            for region in layout or ():
                buffer = self._allocated(name, region.dtype, region.extent, scope, span)
                arena.regions.append((region, buffer))
            return Address(arena, zero, kind)
        if scalar is not None:
            buffer = self._allocated(name, scalar, size // (BITS[scalar] // 8), scope, span)
            if ident and isinstance(kind, ir.ArrayType):
                self.declared[buffer] = ident
            return Address(buffer, zero, kind)
        return Address(self._by_fields(name, kind, scope, span), zero, kind)

    def _allocated(self, name: str, dtype: str, extent: int, scope: str, span: Span) -> Buffer:
        buffer = self.buffer(name, dtype, extent, scope)
        if scope == "shared":
            self.shared.append(buffer)
        else:
            self.emit(Alloc(buffer, span))
        return buffer

    def _by_fields(self, name: str, kind: ir.Type, scope: str, span: Span) -> Arena:
        """Memory for objects of a class, a buffer for each field, or for pointers."""
        whole, element = size_of(kind, span), kind
        while isinstance(element, ir.ArrayType):
            element = element.of
        stride = size_of(element, span)
        arena = Arena(name, whole, scope, 0, stride, [])
        if isinstance(element, ir.Pointer):
            leaves = [(f"{name}_at", Region(0, stride, "int64"))]
        elif isinstance(element, ir.Struct):
            leaves = _leaves(element, name, 0, span)
        else:
            raise ReadError("XP1009", f"{name!r}: an object of this type is not read", span=span)
        for field, region in leaves:
            extent = region.extent * (whole // stride)
            buffer = self._allocated(field, region.dtype, extent, scope, span)
            arena.regions.append((region, buffer))
        return arena

    def flag(self, name: str, span: Span) -> Buffer:
        """A local int that starts as 1."""
        address = self.allocate(name, ir.Arithmetic("int32"), span)
        self.store(address, self.math.number(1, "int32"), span)
        assert not isinstance(address.buffer, Arena)
        return address.buffer

    def moved(self, base: Address, bytes_: int, of: ir.Type) -> Address:
        """The object of type `of` that lies `bytes_` behind the start of `base`."""
        if bytes_ % unit_of(base.buffer):  # into the middle of an element
            base = self._in_bytes(base, of)
        offset = self.math.simplify(base.offset + bytes_ // unit_of(base.buffer))
        return Address(base.buffer, offset, of)

    def field(self, whole: Address, bytes_: int, of: ir.Type, span: Span) -> Address:
        """A field of an object of a class.

        An array is a place in its own buffer, where there is one: what indexes it moves within the
        field, however little is known of the index.
        """
        place, dtype = self.moved(whole, bytes_, of), scalar_of(of)
        arena = place.buffer
        if not isinstance(arena, Arena) or arena.ident or dtype is None:
            return place
        if not arena.regions or not isinstance(of, ir.ArrayType):
            return place
        buffer, index, _ = self._in_region(arena, place.offset, dtype, span)
        return Address(buffer, index, of) if buffer.dtype == dtype else place

    # ------------------------------------------------------------ stores

    def store(self, address: Address, value: Value, span: Span, atomic: bool = False) -> None:
        """`*address = value`, converted to the address's type."""
        kind = address.of
        if isinstance(kind, ir.Struct):
            self._store_record(address, kind, value, span, atomic)
            return
        if isinstance(kind, ir.ArrayType):
            kind = self._as_vector(kind, span)
        if isinstance(kind, ir.Vector):
            self._store_lanes(address, kind, value, span)
            return
        converted = self.convert(value, kind, span)
        if isinstance(kind, ir.Pointer) and isinstance(converted, Address):
            self._store_pointer(address, converted, span)
            return
        if not isinstance(converted, Number):
            raise ReadError("XP1009", "a pointer stored in memory is not read", span=span)
        self._store_number(address, converted, span, atomic)

    def _store_record(
        self, address: Address, kind: ir.Struct, value: Value, span: Span, atomic: bool
    ) -> None:
        if not isinstance(value, Record):
            raise ReadError("XP1009", "this assignment of a class is not read", span=span)
        values = [
            self.convert(part, of, span)
            for part, (_, of) in zip(value.fields.values(), kind.fields, strict=True)
        ]
        # All fields are read before the first is written: `v = f(v)` may mix them.
        memory = address.buffer
        buffers = memory.buffers if isinstance(memory, Arena) else [memory]
        if any(
            isinstance(part, Number) and reads_buffer(part.expr, buffer)
            for part in values
            for buffer in buffers
        ):
            values = [self.freeze(part, span) for part in values]
        offsets = offsets_of(kind, span)
        for start, part, (_, of) in zip(offsets, values, kind.fields, strict=False):
            if not isinstance(part, Nothing):
                self.store(self.moved(address, start, of), part, span, atomic)

    def _store_pointer(self, address: Address, value: Address, span: Span) -> None:
        """A pointer in an object of a class: how far it points, in elements or bytes, is stored."""
        buffer = self._pointer_at(address, span)
        known = self.pointers.setdefault(buffer, FieldPointer(value.buffer, value.offset))
        if not known.buffer.same_as(value.buffer):
            raise ReadError("XP1009", "a pointer to one of two arrays is not read", span=span)
        if buffer.name not in self.findings.moving:
            if tir.as_const(value.offset) is None or not tir.same(known.offset, value.offset):
                raise Moves(buffer.name)
            return
        wide = self.math.convert(Number(value.offset, tir.dtype_of(value.offset)), "int64")
        place = Address(address.buffer, address.offset, ir.Arithmetic("int64"))
        self._store_number(place, wide, span, False)

    def _load_pointer(self, address: Address, kind: ir.Pointer, span: Span) -> Address:
        buffer = self._pointer_at(address, span)
        known = self.pointers.get(buffer)
        if known is None:
            raise ReadError("XP1009", "this pointer is read before it is set", span=span)
        offset = known.offset
        if buffer.name in self.findings.moving:
            place = Address(address.buffer, address.offset, ir.Arithmetic("int64"))
            offset = self._load_number(place, "int64", span).expr
        return self.seen_as(Address(known.buffer, offset, kind.to), kind.to, span)

    def _pointer_at(self, address: Address, span: Span) -> Buffer:
        """The buffer that pointers in objects of a class have for how far they point."""
        arena = address.buffer
        if not isinstance(arena, Arena) or not arena.regions:
            raise ReadError("XP1009", "a pointer stored in memory is not read", span=span)
        buffer, _, _ = self._in_region(arena, address.offset, "int64", span)
        return buffer

    def _as_vector(self, kind: ir.ArrayType, span: Span) -> ir.Vector:
        """An array of numbers as one value."""
        scalar = scalar_of(kind)
        if scalar is None:
            raise ReadError("XP1009", "an array of classes in a class is not copied", span=span)
        return ir.Vector(ir.Arithmetic(scalar), size_of(kind, span) // (BITS[scalar] // 8))

    def _store_lanes(self, address: Address, kind: ir.Vector, value: Value, span: Span) -> None:
        """One loop over the lanes; through a copy where the value reads what it overwrites."""
        lanes, dtype = self.lanes(value, kind, span), kind.of.dtype
        if lanes.seen_as is not None:  # in the type that the memory holds
            dtype = self._held(address, kind) or lanes.held
        count, size = bytes_of(kind) // (BITS[dtype] // 8), BITS[dtype] // 8
        var, lane = self.counter("lane", count), viewed(self.math, lanes, dtype)
        place = self.seen_as(address, ir.Arithmetic(dtype), span)
        with self.collecting() as body:
            number = self.math.convert(lane(var), dtype)
            at = self.math.simplify(place.offset + var * (size // unit_of(place.buffer)))
            self._store_number(Address(place.buffer, at, place.of), number, span, False)
        if not body:  # a variable assigned to itself
            return
        memory = address.buffer
        buffers = memory.buffers if isinstance(memory, Arena) else [memory]
        if any(reads_buffer(number.expr, buffer) for buffer in buffers) and not _same_place(
            number.expr, body
        ):
            self._store_lanes(address, kind, self.freeze(lanes, span), span)
            return
        self.emit(Loop(var, tir.const(count, "int32"), tuple(body), False, span))

    def _held(self, address: Address, kind: ir.Vector) -> str:
        """The type of the elements in which memory holds a vector; empty where it is open."""
        memory = address.buffer
        if not isinstance(memory, Arena):
            return str(memory.dtype)
        low, high = self.math.bounds(address.offset)
        low, high = max(low, 0), min(high, memory.size - bytes_of(kind))
        found = memory.find(low, high + bytes_of(kind) - 1)
        return found[0].dtype if found and memory.stride == memory.size else ""

    def _store_number(self, address: Address, value: Number, span: Span, atomic: bool) -> None:
        dtype = value.dtype
        if value.parts and isinstance(address.buffer, Arena) and not address.buffer.regions:
            narrow = tir.dtype_of(value.parts[0])
            for number, part in enumerate(value.parts):
                place = self.moved(address, number * BITS[narrow] // 8, ir.Arithmetic(narrow))
                self._store_number(place, Number(part, narrow), span, atomic)
            return
        buffer, index, per = self._view(address, dtype, span)
        held, wanted = BITS[buffer.dtype], BITS[dtype]
        if held == wanted:
            self._store_element(
                buffer, index, as_number(value.expr, dtype, buffer.dtype), span, atomic
            )
        elif held < wanted:
            for number, part in enumerate(self._parts(value, buffer.dtype, span)):
                self._store_element(buffer, index + number, part, span, atomic)
        else:
            element = self.math.simplify(tirx.floordiv(index, per))
            lane = self.math.simplify(tirx.floormod(index, per))
            old = buffer[self._touch(buffer, element, self.written, span)]
            bits = as_bits(self._plain(value), dtype)
            new = with_part(old, buffer.dtype, lane, bits, wanted)
            self._store_element(buffer, element, new, span, atomic)

    def _parts(self, value: Number, held: str, span: Span) -> tuple[Expr, ...]:
        """The elements of type `held` that a number is made of."""
        count = BITS[value.dtype] // BITS[held]
        known = value.parts
        if len(known) == count and tir.dtype_of(known[0]) == held:
            return known
        whole = self.freeze(value, span)
        assert isinstance(whole, Number)
        return parts_of(self._plain(whole), value.dtype, held)

    def _plain(self, value: Number) -> Expr:
        """The expression in the value's own type: integers that fit are kept as int32."""
        return self.math._as(value.expr, value.dtype)

    def _store_element(
        self, buffer: Buffer, index: Expr, expr: Expr, span: Span, atomic: bool
    ) -> None:
        if buffer in self.kept:
            raise Demote(self.kept[buffer].ident)
        index = self._touch(buffer, self.math.simplify(index), self.written, span)
        if not atomic and buffer in self.param_of:
            sources = {self._source(load) for load in tir.loads(index)}
            self.placed.update(str(name) for name in sources - {None})
        if buffer.scope() == "local" and buffer.dtype in ("int32", "int64"):
            names = {self._source(load) for load in tir.loads(expr)} - {None}
            self.started.setdefault(buffer, set()).update(str(name) for name in names)
            once = buffer not in self.definitions and tir.as_const(buffer.shape[0]) == 1
            self.definitions[buffer] = expr if once else None
        if isinstance(expr, tir.Load) and buffer.scope() == "local":
            name = self._source(expr)
            if name is not None:
                self.origin.setdefault(buffer, name)
            if expr.source.same_as(buffer) and tir.same(expr.indices[0], index):
                return  # a variable assigned to itself
        if tir.dtype_of(expr) != buffer.dtype:
            expr = tirx.Cast(buffer.dtype, expr)
        self.emit(Store(buffer, index, expr, span, atomic))

    # ------------------------------------------------------------ reads

    def load(self, place: Place, span: Span) -> Value:
        """The value at a place."""
        if isinstance(place, VariablePlace):
            binding = self.env[place.ident]
            if isinstance(binding, (Stored, Alias)):
                return self.load(self._target(binding), span)
            if isinstance(binding, StoredPointer):
                return self._stored_pointer(place.ident, binding, span)
            return binding
        kind = place.of
        if isinstance(kind, ir.ArrayType):
            return Address(place.buffer, place.offset, kind.of)
        if isinstance(kind, ir.Struct):
            parts: dict[str, Value] = {}
            for start, (name, of) in zip(offsets_of(kind, span), kind.fields, strict=False):
                # An array is copied here, unlike one by itself.
                part = self._as_vector(of, span) if isinstance(of, ir.ArrayType) else of
                parts[name] = self.load(self.moved(place, start, part), span)
            return Record(kind, parts)
        if isinstance(kind, ir.Vector):
            return self._load_lanes(place, kind, span)
        if isinstance(kind, ir.Pointer):
            return self._load_pointer(place, kind, span)
        if not isinstance(kind, ir.Arithmetic):
            raise ReadError("XP1009", "an object of this type is not read from memory", span=span)
        return self._load_number(place, kind.dtype, span)

    def _load_lanes(self, place: Address, kind: ir.Vector, span: Span) -> Lanes:
        def seen_as(dtype: str) -> Callable[[Expr], Number]:
            base = self.seen_as(place, ir.Arithmetic(dtype), span)
            step = BITS[dtype] // 8 // unit_of(base.buffer)

            def lane(index: Expr) -> Number:
                offset = self.math.simplify(base.offset + index * step)
                return self._load_number(Address(base.buffer, offset, base.of), dtype, span)

            return lane

        def own(index: Expr) -> Number:
            return seen_as(kind.of.dtype)(index)

        return Lanes(kind, own, self._held(place, kind) or kind.of.dtype, seen_as)

    def _load_number(self, address: Address, dtype: str, span: Span) -> Number:
        buffer, index, per = self._view(address, dtype, span)
        held, wanted = BITS[buffer.dtype], BITS[dtype]
        if buffer in self.kept and buffer.dtype == dtype:
            number, values = tir.as_const(index), self.kept[buffer].values
            if number is not None and 0 <= number < len(values):
                return values[number]
        if held == wanted:
            element = buffer[self._touch(buffer, index, self.read, span)]
            return Number(as_number(element, buffer.dtype, dtype), dtype)
        if held < wanted:
            parts = tuple(
                buffer[self._touch(buffer, self.math.simplify(index + number), self.read, span)]
                for number in range(wanted // held)
            )
            return Number(joined(parts, buffer.dtype, dtype), dtype, parts)
        element = self.math.simplify(tirx.floordiv(index, per))
        lane = self.math.simplify(tirx.floormod(index, per))
        word = buffer[self._touch(buffer, element, self.read, span)]
        return Number(part_of(word, buffer.dtype, lane, dtype), dtype)

    def _view(self, address: Address, dtype: str, span: Span) -> tuple[Buffer, Expr, int]:
        """The buffer that holds a number of type `dtype`, and where.

        The index counts elements of the buffer, or numbers of `dtype` where these are narrower:
        the last result is how many of them an element holds.
        """
        memory, offset, size = address.buffer, address.offset, BITS[dtype] // 8
        if not isinstance(memory, Arena):
            held = BITS[memory.dtype] // 8
            if memory in self.declared and memory.dtype != dtype:
                raise Mixed(self.declared[memory])
            per = max(1, held // size)
            return memory, offset if per == 1 else self.math.simplify(offset * per), per
        if memory.regions:
            return self._in_region(memory, offset, dtype, span)
        low, high = self.math.bounds(offset)
        low, high = max(low, 0), min(high, memory.size - size)
        memory.accesses.append(Access(low, high + size - 1, dtype))
        if dtype not in memory.views:
            extent = max(1, memory.size // size)
            memory.views[dtype] = self.buffer(memory.name, dtype, extent, memory.scope)
        return memory.views[dtype], self._divided(offset, size, span), 1

    def _in_region(
        self, arena: Arena, offset: Expr, dtype: str, span: Span
    ) -> tuple[Buffer, Expr, int]:
        size = BITS[dtype] // 8
        inside, row = offset, tir.const(0, "int32")
        if arena.stride < arena.size:
            inside = self.math.simplify(tirx.floormod(offset, arena.stride))
            row = self.math.simplify(tirx.floordiv(offset, arena.stride))
        low, high = self.math.bounds(inside)
        found = arena.find(max(low, 0), min(high, arena.stride - size) + size - 1)
        if found is None:
            if arena.ident:
                raise Mixed(arena.ident)
            raise ReadError("XP1009", "a field is read as something else", span=span)
        region, buffer = found
        held = BITS[buffer.dtype] // 8
        step = min(held, size)
        index = self._divided(self.math.simplify(inside - region.start), step, span)
        index = index + row * (region.extent * (held // step))
        return buffer, self.math.simplify(index), held // step

    def _divided(self, offset: Expr, size: int, span: Span) -> Expr:
        if size == 1:
            return offset
        zero = tir.const(0, tir.dtype_of(offset))
        if not self.analyzer.can_prove(tirx.EQ(tirx.floormod(offset, size), zero)):
            raise ReadError(
                "XP1009", "a pointer into the middle of an element is not read", span=span
            )
        return self.math.simplify(tirx.floordiv(offset, size))

    def _stored_pointer(self, ident: int, pointer: StoredPointer, span: Span) -> Address:
        offset, kind = self.load(pointer.offset, span), self.types[ident]
        if pointer.buffer is None:
            raise ReadError("XP1009", "this pointer is read before it is set", span=span)
        assert isinstance(offset, Number) and isinstance(kind, ir.Pointer)
        return self.seen_as(Address(pointer.buffer, offset.expr, kind.to), kind.to, span)

    def _set_pointer(self, pointer: StoredPointer, value: Value, span: Span) -> None:
        if not isinstance(value, Address):
            raise ReadError("XP1009", "this pointer is not read", span=span)
        if pointer.buffer is None:
            pointer.buffer = value.buffer
        if not pointer.buffer.same_as(value.buffer):
            raise ReadError("XP1009", "a pointer to one of two arrays is not read", span=span)
        wide = self.math.convert(Number(value.offset, tir.dtype_of(value.offset)), "int64")
        self.store(pointer.offset, wide, span)

    def pointer_in_memory(self, variable: ir.Variable, value: Value) -> None:
        """Keeps a pointer variable in memory."""
        kind, span = ir.Arithmetic("int64"), variable.span
        pointer = StoredPointer(self.allocate(variable.name + "_at", kind, span))
        self.env[variable.ident] = pointer
        if isinstance(value, Address):
            self._set_pointer(pointer, value, span)

    def _target(self, binding: Stored | Alias) -> Place:
        return binding.address if isinstance(binding, Stored) else binding.place

    def freeze(self, value: Value, span: Span) -> Value:
        """A value that later stores do not change: reads are copied to a local."""
        if isinstance(value, Number) and tir.has_load(value.expr):
            kind = ir.Arithmetic(value.dtype)
            address = self.allocate("held", kind, span)
            self.store(address, value, span)
            return self.load(address, span)
        if isinstance(value, Lanes):
            dtype = value.held or value.kind.of.dtype
            held = ir.Vector(ir.Arithmetic(dtype), bytes_of(value.kind) // (BITS[dtype] // 8))
            address = self.allocate("held", held, span)
            self.store(address, self.lanes(value, held, span), span)
            return self.lanes(self.load(address, span), value.kind, span)
        if isinstance(value, Record):
            parts = {name: self.freeze(part, span) for name, part in value.fields.items()}
            return Record(value.kind, parts)
        return self.fixed(value, span) if isinstance(value, Address) else value

    def fixed(self, place: Address, span: Span) -> Address:
        """A place that later stores do not move."""
        if not tir.has_load(place.offset):
            return place
        # Read by read: how the offset is made of them tells more than its value.
        offset = tir.map_loads(place.offset, lambda load: self._frozen_read(load, span))
        return Address(place.buffer, offset, place.of)

    def _frozen_read(self, load: Expr, span: Span) -> Expr:
        number = self.freeze(Number(load, tir.dtype_of(load)), span)
        assert isinstance(number, Number)
        return number.expr

    def convert(self, value: Value, kind: ir.Type, span: Span) -> Value:
        """`value` as an object of type `kind`."""
        if isinstance(kind, ir.Reference):
            return self.convert(value, kind.to, span)
        if isinstance(kind, ir.Arithmetic):
            if isinstance(value, Address) and kind.dtype == "bool":
                return self.math.number(1, "bool")
            if isinstance(value, Address) and value.of == ir.VOID and kind.dtype in _ADDRESSES:
                return value
            if isinstance(value, Lanes) and is_mask(value.kind):
                value = as_integer(self.math, value)
            if not isinstance(value, Number):
                raise ReadError("XP1009", "a number is expected here", span=span)
            return self.math.convert(value, kind.dtype)
        if isinstance(kind, ir.Pointer) and isinstance(value, Address):
            return self.seen_as(value, kind.to, span)
        if isinstance(kind, ir.ArrayType) and isinstance(value, Lanes):
            return value
        if isinstance(kind, ir.ArrayType) and isinstance(value, Address):
            return self.load(Address(value.buffer, value.offset, self._as_vector(kind, span)), span)
        if isinstance(kind, ir.Vector):
            return self.lanes(value, kind, span)
        return value

    def lanes(self, value: Value, kind: ir.Vector, span: Span) -> Lanes:
        """A vector of type `kind`: of a number each lane is that number, or a bit of it."""
        if isinstance(value, Number):
            if is_mask(kind):
                return as_mask(self.math, value, kind.lanes)
            number = self.math.convert(value, kind.of.dtype)
            return Lanes(kind, lambda lane: number)
        if not isinstance(value, Lanes):
            raise ReadError("XP1009", "a vector is expected here", span=span)
        given = value
        if given.kind == kind:
            return given
        if is_mask(kind) and is_mask(given.kind):
            return resized(self.math, given, kind.lanes)
        if bytes_of(given.kind) == bytes_of(kind):
            lane = viewed(self.math, given, kind.of.dtype)
            held = given.held or given.kind.of.dtype
            return Lanes(kind, lane, held, lambda dtype: viewed(self.math, given, dtype))
        if given.kind.lanes != kind.lanes:
            raise ReadError("XP1009", "a vector of another size is expected here", span=span)
        return Lanes(kind, lambda lane: self.math.convert(given.lane(lane), kind.of.dtype))

    def seen_as(self, address: Address, kind: ir.Type, span: Span) -> Address:
        """The same place as an object of type `kind`.

        A pointer that can point into the middle of the buffer's elements counts bytes.
        """
        memory = address.buffer
        if isinstance(memory, Arena) or kind == ir.VOID:
            return Address(memory, address.offset, kind)
        held = BITS[memory.dtype] // 8
        if isinstance(kind, ir.Named) or size_of(kind, span) % held == 0:
            return Address(memory, address.offset, kind)
        return self._in_bytes(address, kind)

    def _in_bytes(self, address: Address, kind: ir.Type) -> Address:
        """The same place as an object of type `kind`, its offset in bytes."""
        memory = address.buffer
        assert not isinstance(memory, Arena)
        if memory in self.declared:
            raise Mixed(self.declared[memory])
        held = BITS[memory.dtype] // 8
        size = int(memory.shape[0]) * held
        region = Region(0, size, memory.dtype)
        arena = Arena(memory.name, size, memory.scope(), 0, size, [(region, memory)])
        arena = self.byte_views.setdefault(memory, arena)
        return Address(arena, self.math.simplify(address.offset * held), kind)


def _leaves(kind: ir.Struct, name: str, start: int, span: Span) -> list[tuple[str, Region]]:
    """The parts of a class that hold numbers of one type, by name, each with its bytes."""
    found: list[tuple[str, Region]] = []
    for (field, of), offset in zip(kind.fields, offsets_of(kind, span), strict=False):
        dtype, place = scalar_of(of), start + offset
        own = f"{name}_{field.removeprefix(ir.BASE)}"
        if dtype is not None:
            found.append((own, Region(place, size_of(of, span), dtype)))
        elif isinstance(of, ir.Struct):
            found += _leaves(of, own, place, span)
        elif isinstance(of, ir.Pointer):
            found.append((f"{own}_at", Region(place, size_of(of, span), "int64")))
        else:
            raise ReadError(
                "XP1009", f"{field!r}: an array of classes in a class is not read", span=span
            )
    return found


def _same_place(value: Expr, body: list[Statement]) -> bool:
    """Whether a store reads, of what it overwrites, only the very element."""
    (store,) = body if len(body) == 1 else (None,)
    return isinstance(store, Store) and all(
        tir.same(load.indices[0], store.index)
        for load in tir.loads(value)
        if load.source.same_as(store.buffer)
    )
