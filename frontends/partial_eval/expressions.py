"""Expressions as values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.tir import Expr

from .. import ir, library
from ..values import BITS, Address, Closure, Lanes, Nothing, Null, Number, Record, Value, size_of
from .operators import Operators
from .places import lane_named
from .questions import is_kept
from .registers import as_integer, is_mask
from .state import (
    Binding,
    Demote,
    Place,
    StoredPointer,
)


class Expressions(Operators):
    """Expressions as values."""

    if TYPE_CHECKING:
        # Of the classes further down the chain.
        def _call(self, expr: ir.Call) -> Value: ...

        def captured(self, expr: ir.Lambda) -> dict[int, Binding]: ...

        def static_member(self, expr: ir.Scoped) -> Value: ...

        def constructed(self, kind: ir.Struct, args: tuple[ir.Expr, ...], span: Span) -> Value: ...

        def _default(self, kind: ir.Struct, name: str) -> Value | None: ...

    def number(self, expr: ir.Expr) -> Number:
        value = self.value(expr)
        if isinstance(value, Lanes) and is_mask(value.kind):
            return as_integer(self.math, value)
        if not isinstance(value, Number):
            raise ReadError("XP1009", "a number is expected here", span=expr.span)
        return value

    def test(self, expr: ir.Expr) -> Expr:
        """An expression as a condition, simplified where it reads no memory."""
        value = self.value(expr)
        if isinstance(value, Lanes) and is_mask(value.kind):
            value = as_integer(self.math, value)
        return self.math.truth(value)

    def value(self, expr: ir.Expr) -> Value:
        if isinstance(expr, ir.Literal):
            if expr.dtype == "null":
                return Null()
            if expr.dtype == "text":
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
            return self._subscript(expr)
        if isinstance(expr, ir.Member):
            return self._member(expr)
        if isinstance(expr, ir.Scoped):
            return self.static_member(expr)
        if isinstance(expr, ir.This):
            return self.load(self.place(expr), expr.span)
        if isinstance(expr, ir.Evaluated):
            value: Value = expr.value
            return value
        if isinstance(expr, ir.Cast):
            return self._cast(expr)
        if isinstance(expr, ir.SizeOf):
            return self.math.number(size_of(self.resolve(expr.of, expr.span), expr.span), "uint64")
        if isinstance(expr, ir.Call):
            return self._call(expr)
        if isinstance(expr, ir.Construct):
            return self._construct(expr)
        if isinstance(expr, ir.Lambda):
            return Closure(expr, self.captured(expr))
        if isinstance(expr, ir.InitList) and len(expr.items) == 1:
            return self.value(expr.items[0])
        if isinstance(expr, ir.Unreadable):
            raise ReadError(expr.code, expr.message, span=expr.span, hint=expr.hint)
        if isinstance(expr, ir.LaunchExpr):
            raise ReadError("XP1009", "a kernel launched by a kernel is not read", span=expr.span)
        raise ReadError("XP1009", "this expression is not read", span=expr.span)

    def _subscript(self, expr: ir.Subscript) -> Value:
        vector = self.env.get(expr.base.ident) if isinstance(expr.base, ir.Name) else None
        if isinstance(vector, Lanes):
            return vector.lane(self.math.as_index(self.number(expr.index)))
        if isinstance(expr.base, (ir.Call, ir.Binary, ir.Cast)):
            base = self.value(expr.base)
            if isinstance(base, Lanes):
                return base.lane(self.math.as_index(self.number(expr.index)))
            if isinstance(base, Address):
                place = self._moved(base, self.value(expr.index), 1, expr.span)
                return self.load(place, expr.span)
        base = self._subscripted(expr.base)
        if isinstance(base, Record):
            return self._index_of_class(base, expr)
        return self.load(self._moved_by(base, expr), expr.span)

    def _name_value(self, expr: ir.Name) -> Value:
        if expr.name in self.special and expr.ident not in self.env:
            return self.special[expr.name]
        if expr.ident in self.records:
            return self.env[expr.ident]  # type: ignore[return-value]
        for frame in reversed(self.frames):
            found = frame.templates.get(expr.ident, frame.names.get(expr.name))
            if isinstance(found, int):
                return self.math.number(found, "int32" if abs(found) < 1 << 31 else "int64")
        return self.load(self.place(expr), expr.span)

    def _member(self, expr: ir.Member) -> Value:
        if isinstance(expr.base, ir.Name) and expr.base.name in self.special:
            record = self.special[expr.base.name]
            if expr.base.ident not in self.env and isinstance(record, Record):
                return record.fields[expr.field]
        kind, held = self.passed(expr)
        if isinstance(kind, ir.ArrayType) and isinstance(held, Address):
            return Address(held.buffer, held.offset, kind.of)
        if held is not None:
            return held
        if expr.field in library.matrix.COUNTS:
            count = library.matrix.count(self, self.place(expr.base))  # type: ignore[arg-type]
            if count is not None:
                return count
        try:
            place = self.place(expr)
        except ReadError:
            value = self.value(expr.base)
            if isinstance(value, Record) and expr.field in value.fields:
                return value.fields[expr.field]
            if isinstance(value, Lanes):
                return value.lane(tir.const(lane_named(expr), "int32"))
            raise
        return self.load(place, expr.span)

    def _assign(self, expr: ir.Assign) -> Value:
        wanted = self.unwanted is not expr
        part = self._assigned_part(expr)
        if part is not None:
            return part
        if expr.op:
            place = self.place(expr.target)
            right = self.value(expr.value)
            if isinstance(place, Address) and isinstance(place.of, ir.Struct):
                found = self.class_operator(expr.op + "=", [place, right], expr.span)
                if found is not None:
                    return found
            value = self._arith(expr.op, self.load(place, expr.span), right, expr.span)
        elif isinstance(expr.value, ir.InitList):
            place = self.place(expr.target)
            kind = place.of if isinstance(place, Address) else self.types.get(place.ident)
            value = self.initial(expr.value, kind or ir.AUTO)
        else:
            value = self.value(expr.value)
            place = self.place(expr.target)
        return self.assign(place, value, expr.span, wanted)

    def _assigned_part(self, expr: ir.Assign) -> Value | None:
        """`object.field = value` where the object is kept as a value; `None` elsewhere.

        Raises `Demote` where the field's value can not be kept as an expression.
        """
        fields, node = [], expr.target
        while isinstance(node, ir.Member):
            fields.append(node.field)
            node = node.base
        kind, old = self.passed(expr.target)
        if not fields or not isinstance(node, ir.Name) or old is None:
            return None
        if not isinstance(kind, (ir.Arithmetic, ir.Pointer)):
            return None
        value = self.value(expr.value)
        if expr.op:
            value = self._arith(expr.op, self.value(expr.target), value, expr.span)
        value = self.convert(value, kind, expr.span)
        whole = self.constant(node)
        assert whole is not None
        if isinstance(value, Address):
            value = self.freeze(value, expr.span)
        elif not isinstance(value, Number) or value.is_float or not is_kept(value.expr):
            raise Demote(whole.ident)
        self.env[whole.ident] = _replaced(whole.value, fields[::-1], value)
        return value

    def assign(self, place: Place, value: Value, span: Span, wanted: bool = True) -> Value:
        """`place = value`; gives the value as converted, where that is wanted."""
        if isinstance(place, Address):
            self.store(place, value, span)
            return self.load(place, span) if wanted else Nothing()
        kind = self.types.get(place.ident)
        if kind is not None:
            value = self.convert(value, kind, span)
        pointer = self.env.get(place.ident)
        if isinstance(pointer, StoredPointer):
            self._set_pointer(pointer, value, span)
            return self.load(place, span)
        if isinstance(value, Address):
            value = self.freeze(value, span)
        elif isinstance(value, Number) and (value.is_float or not is_kept(value.expr)):
            raise Demote(place.ident)
        self.env[place.ident] = value
        return value

    def _cast(self, expr: ir.Cast) -> Value:
        kind = self.resolve(expr.to, expr.span)
        if isinstance(kind, ir.Struct) or isinstance(expr.value, ir.InitList):
            return self.initial(expr.value, kind)
        value = self.value(expr.value)
        if kind == ir.VOID:
            return Nothing()
        if isinstance(kind, ir.Pointer) and isinstance(value, Number):
            raise ReadError("XP1009", "an integer cast to a pointer is not read", span=expr.span)
        return self.convert(value, kind, expr.span)

    def _construct(self, expr: ir.Construct) -> Value:
        kind = self.resolve(expr.to, expr.span)
        if isinstance(kind, ir.Vector):
            return self._vector(kind, expr.args, expr.span)
        if not isinstance(kind, ir.Struct):
            if len(expr.args) == 1:
                return self.convert(self.value(expr.args[0]), kind, expr.span)
            if not expr.args and isinstance(kind, ir.Arithmetic):
                return self.math.number(0, kind.dtype)
            raise ReadError("XP1009", "this initialiser is not read", span=expr.span)
        return self.constructed(kind, expr.args, expr.span)

    def initial(self, init: ir.Expr, kind: ir.Type) -> Value:
        """The value that an object of type `kind` starts with."""
        if isinstance(kind, ir.Union) and isinstance(init, ir.Construct) and not init.args:
            return Nothing()
        if isinstance(kind, ir.Struct):
            if isinstance(init, ir.InitList):
                return self.constructed(kind, init.items, init.span)
            unknown = isinstance(init, ir.Construct) and isinstance(init.to, ir.Named)
            if unknown or (isinstance(init, ir.Construct) and not init.args):
                return self.constructed(kind, init.args, init.span)  # type: ignore[union-attr]
            value = self.value(init)
            if isinstance(value, (Record, Nothing)):
                return value
            return self.constructed(kind, (ir.Evaluated(value, init.span),), init.span)
        if isinstance(init, ir.InitList) and isinstance(kind, ir.ArrayType):
            kind = self._as_vector(kind, init.span)
        if isinstance(init, ir.InitList) and isinstance(kind, ir.Vector):
            return self._vector(kind, init.items, init.span)
        if isinstance(init, ir.InitList) and not init.items and isinstance(kind, ir.Arithmetic):
            return self.math.number(0, kind.dtype)
        return self.value(init)

    def _vector(self, kind: ir.Vector, items: tuple[ir.Expr, ...], span: Span) -> Value:
        """A vector from one, or from its lanes, of which those left out are zero."""
        if len(items) == 1:
            only = items[0]
            value = self.value(only) if not isinstance(only, ir.InitList) else None
            if isinstance(value, Lanes):
                return value
            if value is None:
                assert isinstance(only, ir.InitList)
                return self._vector(kind, only.items, span)
        zero = self.math.number(0, kind.of.dtype)
        numbers = [self.math.convert(self.number(item), kind.of.dtype) for item in items]
        if all(tir.same(number.expr, zero.expr) for number in numbers):
            return Lanes(kind, lambda lane: zero)
        address = self.allocate("lanes", kind, span)
        for number, value in enumerate([*numbers, *[zero] * (kind.lanes - len(numbers))]):
            part = self.moved(address, number * (BITS[kind.of.dtype] // 8), kind.of)
            self.store(part, value, span)
        stored = self.load(address, span)
        assert isinstance(stored, Lanes)

        def lane(index: Expr) -> Number:
            at = tir.as_const(index)
            if at is not None and 0 <= at < len(numbers) and is_kept(numbers[at].expr):
                return numbers[at]
            return stored.lane(index)

        return replace(stored, lane=lane)

    def _record(self, kind: ir.Struct, values: list[Value], span: Span) -> Record:
        fields_: dict[str, Value] = {}
        for number, (name, of) in enumerate(kind.fields):
            if number < len(values):
                fields_[name] = self.convert(values[number], of, span)
            else:
                default = self._default(kind, name)
                if default is not None:
                    fields_[name] = self.convert(default, of, span)
                elif isinstance(of, ir.Arithmetic):
                    fields_[name] = self.math.number(0, of.dtype)
                elif isinstance(of, ir.Pointer):
                    fields_[name] = Nothing()
                elif isinstance(of, ir.Struct):
                    inner = self.constructed(of, (), span)
                    empty = isinstance(inner, Nothing)
                    fields_[name] = self._record(of, [], span) if empty else inner
                else:
                    raise ReadError("XP1009", "this initialiser is not read", span=span)
        return Record(kind, fields_)


def _replaced(record: Record, path: list[str], value: Value) -> Record:
    """The record with another value of the field that `path` leads to."""
    first, *rest = path
    if first not in record.fields:
        first, rest = record.kind.base_of(first) or first, path
    inner = record.fields[first]
    new = _replaced(inner, rest, value) if rest and isinstance(inner, Record) else value
    return Record(record.kind, {**record.fields, first: new})
