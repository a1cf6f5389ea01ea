"""Places: where the objects lie that expressions denote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.tir import Expr

from .. import ir, library
from ..values import BITS, Address, Number, Record, Value, offsets_of, size_of, unit_of
from .memory import Memory
from .on_chip import ON_CHIP
from .state import (
    Alias,
    Constant,
    Demote,
    Place,
    Stored,
    VariablePlace,
)


class Places(Memory):
    """Places: where the objects lie that expressions denote."""

    if TYPE_CHECKING:
        # Of the classes further down the chain.
        def value(self, expr: ir.Expr) -> Value: ...

        def test(self, expr: ir.Expr) -> Expr: ...

        def _initialised(self, variable: ir.Variable, kind: ir.Type) -> Address: ...

        def _shared_array(self, variable: ir.Variable) -> Address: ...

        def _on_chip_array(self, variable: ir.Variable) -> Address: ...

        def class_operator(
            self, op: str, values: list[Value | Constant], span: Span
        ) -> Value | None: ...

    def place(self, expr: ir.Expr) -> Place:
        """Where an expression's object lies."""
        if isinstance(expr, ir.Name):
            binding = self.env.get(expr.ident)
            if isinstance(binding, (Stored, Alias)):
                return self._target(binding)
            if binding is None:
                return self._global(expr)
            if expr.ident in self.records:
                raise Demote(expr.ident)
            return VariablePlace(expr.ident)
        if isinstance(expr, ir.Subscript):
            base = self._subscripted(expr.base)
            if isinstance(base, Record):
                self._index_of_class(base, expr)
                if self.returned is not None:
                    return self.returned
            return self._moved_by(base, expr)
        if isinstance(expr, ir.Unary) and expr.op == "*":
            return self._address(self.value(expr.value), expr.span)
        if isinstance(expr, ir.Unary) and expr.op in ("pre++", "pre--"):
            self.value(expr)
            return self.place(expr.value)
        if isinstance(expr, ir.Assign):
            self.value(expr)
            return self.place(expr.target)
        if isinstance(expr, ir.This):
            this = next((frame.this for frame in reversed(self.frames) if frame.this), None)
            if this is None:
                raise ReadError("XP1009", "there is no object here", span=expr.span)
            if isinstance(this, Constant):
                raise Demote(this.ident)
            return this
        if isinstance(expr, ir.Evaluated) and isinstance(expr.value, Address):
            return expr.value
        if isinstance(expr, ir.Call):
            self.value(expr)
            if self.returned is not None:
                return self.returned
        if isinstance(expr, ir.Member):
            kind, value = self.passed(expr)
            if isinstance(kind, ir.ArrayType) and isinstance(value, Address):
                return value
            whole = self.place(expr.base)
            if isinstance(whole, Address) and library.matrix.is_fragment(whole.of):
                return library.matrix.elements(self, whole, expr.span)  # type: ignore[arg-type]
            if isinstance(whole, Address) and isinstance(whole.of, ir.Struct):
                names = [name for name, _ in whole.of.fields]
                inherited = whole.of.base_of(expr.field)
                if expr.field not in names and inherited is not None:
                    part = ir.Member(expr.base, inherited, expr.span)
                    return self.place(ir.Member(part, expr.field, expr.span))
                if expr.field not in names:
                    raise ReadError(
                        "XP1010", f"{whole.of.name!r} has no field {expr.field!r}", span=expr.span
                    )
                number = names.index(expr.field)
                kind = whole.of.fields[number][1]
                offset = offsets_of(whole.of, expr.span)[number]
                return self.field(whole, offset, kind, expr.span)
            if isinstance(whole, Address) and isinstance(whole.of, ir.Union):
                return self.moved(whole, 0, dict(whole.of.fields)[expr.field])
            if isinstance(whole, Address) and isinstance(whole.of, ir.Vector):
                number = lane_named(expr)
                size = BITS[whole.of.of.dtype] // 8
                return self.moved(whole, number * size, whole.of.of)
        if isinstance(expr, ir.Cast) and isinstance(expr.to, ir.Reference):
            inner = self.place(expr.value)
            if isinstance(inner, Address):
                return self.seen_as(inner, self.resolve(expr.to.to, expr.span), expr.span)
            return inner
        if isinstance(expr, ir.Conditional):
            test = self.math.known(self.test(expr.test))
            if test is not None:
                return self.place(expr.then if test else expr.other)
        raise ReadError("XP1009", "this expression has no address", span=expr.span)

    def constant(self, expr: ir.Expr) -> Constant | None:
        """A variable of class type, or the object of a method, that is kept as a value."""
        if isinstance(expr, ir.This):
            this = next((frame.this for frame in reversed(self.frames) if frame.this), None)
            return this if isinstance(this, Constant) else None
        if isinstance(expr, ir.Unary) and expr.op == "*" and isinstance(expr.value, ir.This):
            return self.constant(expr.value)
        if not isinstance(expr, ir.Name):
            return None
        ident, binding = expr.ident, self.env.get(expr.ident)
        if isinstance(binding, Alias) and isinstance(binding.place, VariablePlace):
            ident = binding.place.ident
        found = self.env.get(ident)
        if ident in self.records and isinstance(found, Record):
            return Constant(ident, found)
        return None

    def passed(self, expr: ir.Expr) -> tuple[ir.Type, Value] | tuple[None, None]:
        """The type and value of (a field of) an object that is kept as a value."""
        constant = self.constant(expr)
        if constant is not None:
            return constant.of, constant.value
        if isinstance(expr, ir.Member):
            kind, whole = self.passed(expr.base)
            fields = whole.fields if isinstance(whole, Record) else {}
            inherited = kind.base_of(expr.field) if isinstance(kind, ir.Struct) else None
            if inherited is not None and expr.field not in fields:
                part = ir.Member(expr.base, inherited, expr.span)
                return self.passed(ir.Member(part, expr.field, expr.span))
            if isinstance(kind, ir.Struct) and expr.field in fields:
                return dict(kind.fields)[expr.field], fields[expr.field]
        return None, None

    def _global(self, expr: ir.Name) -> Place:
        variable = self.unit.variables.get(expr.ident)
        if variable is None:
            raise ReadError("XP1010", f"{expr.name!r} is not known here", span=expr.span)
        if variable.space == "shared":
            return self._shared_array(variable)
        if variable.space in ON_CHIP:
            return self._on_chip_array(variable)
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
            return VariablePlace(expr.ident)
        outer, self.out = self.out, self.tables
        try:
            address = self._initialised(variable, kind)
        finally:
            self.out = outer
        self.env[expr.ident] = Stored(address)
        return address

    def _address(self, value: Value, span: Span) -> Address:
        if not isinstance(value, Address):
            raise ReadError("XP1009", "a pointer is expected here", span=span)
        return value

    def _moved(self, base: Address, index: Value, sign: int, span: Span) -> Address:
        if not isinstance(index, Number) or index.is_float:
            raise ReadError("XP1009", "a pointer moves by an integer", span=span)
        move = self.math.as_index(index)
        size = 1 if base.of == ir.VOID else size_of(base.of, span)
        if size % unit_of(base.buffer):
            base = self.seen_as(base, ir.Arithmetic("int8"), span)
        step = sign * (size // unit_of(base.buffer))
        if tir.dtype_of(move) != tir.dtype_of(base.offset):
            wide = "int64"
            offset = self.math._as(base.offset, wide) + self.math._as(move, wide) * step
        else:
            offset = base.offset + move * step
        return Address(base.buffer, self.math.simplify(offset), base.of)

    def _moved_by(self, base: Value, expr: ir.Subscript) -> Address:
        index = self.value(expr.index)
        if isinstance(index, Address):
            base, index = index, base
        return self._moved(self._address(base, expr.span), index, 1, expr.span)

    def _subscripted(self, expr: ir.Expr) -> Value:
        """The value of what a subscript stands behind: of a vector, where its elements are."""
        if not isinstance(expr, (ir.Name, ir.Subscript, ir.Member)):
            return self.value(expr)
        if self.passed(expr)[1] is not None:
            return self.value(expr)
        if isinstance(expr, ir.Name) and expr.ident not in self.env:
            return self.value(expr)
        place = self.place(expr)
        if isinstance(place, Address) and isinstance(place.of, ir.Vector):
            return Address(place.buffer, place.offset, place.of.of)
        if isinstance(place, Address) and isinstance(place.of, ir.Struct):
            return Record(place.of, {"": place})
        return self.load(place, expr.span)

    def _index_of_class(self, base: Record, expr: ir.Subscript) -> Value:
        """`object[index]` of a class with such an operator."""
        whole = self.constant(expr.base) or base.fields.get("", base)
        found = self.class_operator("[]", [whole, self.value(expr.index)], expr.span)
        if found is None:
            raise ReadError("XP1009", "this object is not indexed", span=expr.span)
        return found


def lane_named(expr: ir.Member) -> int:
    """The lane of `v.x`, `v.w`, `v.s3`."""
    if expr.field in ("x", "y", "z", "w"):
        return "xyzw".index(expr.field)
    if expr.field.startswith("s") and expr.field[1:].isdigit():
        return int(expr.field[1:])
    raise ReadError("XP1009", f"{expr.field!r} of a vector is not read", span=expr.span)
