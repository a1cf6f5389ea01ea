"""Expressions as values and places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.tir import Expr

from .. import ir, library
from ..program import Alloc, Branch, Statement, Store
from ..values import (
    BITS,
    Address,
    Closure,
    Lanes,
    Nothing,
    Null,
    Number,
    Record,
    Value,
    common,
    offsets_of,
    size_of,
    unit_of,
)
from .memory import Memory
from .on_chip import ON_CHIP
from .registers import as_integer, is_mask, mask_type, resized
from .state import (
    Alias,
    Demote,
    Env,
    Place,
    Stored,
    StoredPointer,
    VariablePlace,
)


class _SideEffect(Exception):
    """An expression that may not be evaluated always does more than to give a value."""


class Expressions(Memory):
    """Expressions as values and places."""

    if TYPE_CHECKING:
        # Of the classes further down the chain.
        def _call(self, expr: ir.Call) -> Value: ...

        def _initialised(self, variable: ir.Variable, kind: ir.Type) -> Address: ...

        def _shared_array(self, variable: ir.Variable) -> Address: ...

        def _clear(self, place: Address, span: Span) -> None: ...

        def static_member(self, expr: ir.Scoped) -> Value: ...

        def class_operator(self, op: str, values: list[Value], span: Span) -> Value | None: ...

        def constructed(self, kind: ir.Struct, args: tuple[ir.Expr, ...], span: Span) -> Value: ...

        def _default(self, kind: ir.Struct, name: str) -> Value | None: ...

        def branch(
            self, test: Expr, then: list[Statement], other: list[Statement], span: Span
        ) -> None: ...

        def _merged(self, test: Expr, then: Env, other: Env, span: Span) -> Env: ...

        def _on_chip_array(self, variable: ir.Variable) -> Address: ...

    def place(self, expr: ir.Expr) -> Place:
        """Where an expression's object lies."""
        if isinstance(expr, ir.Name):
            binding = self.env.get(expr.ident)
            if isinstance(binding, (Stored, Alias)):
                return self._target(binding)
            if binding is None:
                return self._global(expr)
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
            return this
        if isinstance(expr, ir.Evaluated) and isinstance(expr.value, Address):
            return expr.value
        if isinstance(expr, ir.Call):
            self.value(expr)
            if self.returned is not None:
                return self.returned
        if isinstance(expr, ir.Member):
            whole = self.place(expr.base)
            if isinstance(whole, Address) and library.matrix.is_fragment(whole.of):
                return library.matrix.elements(self, whole, expr.span)  # type: ignore[arg-type]
            if isinstance(whole, Address) and isinstance(whole.of, ir.Struct):
                names = [name for name, _ in whole.of.fields]
                if expr.field not in names:
                    raise ReadError(
                        "XP1010", f"{whole.of.name!r} has no field {expr.field!r}", span=expr.span
                    )
                number = names.index(expr.field)
                kind = whole.of.fields[number][1]
                return self.moved(whole, offsets_of(whole.of, expr.span)[number], kind)
            if isinstance(whole, Address) and isinstance(whole.of, ir.Union):
                return self.moved(whole, 0, dict(whole.of.fields)[expr.field])
            if isinstance(whole, Address) and isinstance(whole.of, ir.Vector):
                number = _lane_named(expr)
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
        whole = base.fields.get("", base)
        found = self.class_operator("[]", [whole, self.value(expr.index)], expr.span)
        if found is None:
            raise ReadError("XP1009", "this object is not indexed", span=expr.span)
        return found

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
            return Closure(expr)
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
                return value.lane(tir.const(_lane_named(expr), "int32"))
            raise
        return self.load(place, expr.span)

    def _unary(self, expr: ir.Unary) -> Value:
        if expr.op in ("pre++", "pre--", "post++", "post--"):
            return self._step(expr)
        if expr.op == "&":
            if isinstance(expr.value, ir.Name):
                binding = self.env.get(expr.value.ident)
                if isinstance(binding, (Number, Record)):
                    raise Demote(expr.value.ident)
            place = self.place(expr.value)
            return self._address(place, expr.span)  # type: ignore[arg-type]
        if expr.op == "*":
            return self.load(self.place(expr), expr.span)
        if expr.op == "-":
            given = self.value(expr.value)
            if isinstance(given, Record):
                found = self.class_operator("-", [given], expr.span)
                if found is not None:
                    return found
                args = (ir.Evaluated(given, expr.span),)
                call = ir.Call(ir.Name("operator-", 0, expr.span), args, (), expr.span)
                return library.call(self, "operator-", call)
            if isinstance(given, Lanes):
                minus = self.math.number(0, given.kind.of.dtype)
                return self._lanewise("-", minus, given, expr.span)
            if isinstance(given, Number):
                return self.math.negative(given, expr.span)
        if expr.op == "~":
            given = self.value(expr.value)
            if isinstance(given, Lanes) and is_mask(given.kind):
                whole = resized(self.math, given, max(32, given.kind.lanes)).lane
                kind = mask_type(max(32, given.kind.lanes))
                return Lanes(
                    kind, lambda index: Number(tirx.Not(self.math.truth(whole(index))), "bool")
                )
        if expr.op == "!":
            test = self.test(expr.value)
            negated = tirx.Not(test)
            return Number(negated if tir.has_load(test) else self.math.simplify(negated), "bool")
        value = self.number(expr.value)
        if expr.op == "~":
            minus = self.math.negative(value, expr.span)
            return self.math.binary("-", minus, self.math.number(1, "int32"), expr.span)
        if expr.op == "+":
            return value
        raise ReadError("XP1009", f"the operator {expr.op!r} is not read", span=expr.span)

    def _step(self, expr: ir.Unary) -> Value:
        wanted = self.unwanted is not expr
        place = self.place(expr.value)
        before = self.load(place, expr.span)
        if expr.op.startswith("post"):
            before = self.freeze(before, expr.span)
        op = expr.op[-1]
        after = self._arith(op, before, self.math.number(1, "int32"), expr.span)
        after = self.assign(place, after, expr.span, wanted)
        return before if expr.op.startswith("post") else after

    def _arith(self, op: str, left: Value, right: Value, span: Span) -> Value:
        if isinstance(left, Number) and isinstance(right, Number):
            return self.math.binary(op, left, right, span)
        masks = [isinstance(side, Lanes) and is_mask(side.kind) for side in (left, right)]
        if any(masks):
            return self._of_masks(op, left, right, span)
        if isinstance(left, Lanes) or isinstance(right, Lanes):
            return self._lanewise(op, left, right, span)
        if isinstance(left, Address) and isinstance(right, Number) and op in "+-":
            return self._moved(left, right, 1 if op == "+" else -1, span)
        if isinstance(right, Address) and isinstance(left, Number) and op == "+":
            return self._moved(right, left, 1, span)
        if isinstance(left, Address) and isinstance(right, Address):
            if left.buffer.same_as(right.buffer):
                a, b = Number(left.offset, "int64"), Number(right.offset, "int64")
                if op == "-":
                    size = size_of(left.of, span) // unit_of(left.buffer)
                    apart = self.math.binary("-", a, b, span)
                    return self.math.binary("/", apart, self.math.number(size, "int64"), span)
                if op in ("<", ">", "<=", ">=", "==", "!="):
                    return self.math.binary(op, a, b, span)
            raise ReadError("XP1009", "pointers to different arrays are compared", span=span)
        if isinstance(left, (Null, Number)) and isinstance(right, Address):
            left, right = right, left
        if isinstance(left, (Address, Null)) and op in ("==", "!="):
            zero = isinstance(right, Number) and self.math.known(right.expr) == 0
            if isinstance(right, Null) or zero:
                null = isinstance(left, Null)
                return self.math.number(null == (op == "=="), "bool")
        if isinstance(left, Record) or isinstance(right, Record):
            found = self.class_operator(op, [left, right], span)
            if found is not None:
                return found
            args = (ir.Evaluated(left, span), ir.Evaluated(right, span))
            call = ir.Call(ir.Name("operator" + op, 0, span), args, (), span)
            return library.call(self, "operator" + op, call)
        raise ReadError("XP1009", f"{op!r} of these operands is not read", span=span)

    def _of_masks(self, op: str, left: Value, right: Value, span: Span) -> Value:
        """What is done bit by bit stays a mask; else masks are integers, as in C."""
        if op in ("&", "|", "^") and isinstance(left, Lanes) and isinstance(right, Lanes):
            lanes = max(left.kind.lanes, right.kind.lanes)
            a, b = (resized(self.math, side, lanes).lane for side in (left, right))
            make = {"&": tirx.And, "|": tirx.Or, "^": tirx.NE}[op]

            def lane(index: Expr) -> Number:
                truths = (self.math.truth(side(index)) for side in (a, b))
                return Number(make(*truths), "bool")

            return Lanes(mask_type(lanes), lane)
        numbers = [
            as_integer(self.math, side) if isinstance(side, Lanes) else side
            for side in (left, right)
        ]
        return self._arith(op, numbers[0], numbers[1], span)

    def _lanewise(self, op: str, left: Value, right: Value, span: Span) -> Value:
        kind = left.kind if isinstance(left, Lanes) else right.kind  # type: ignore[union-attr]
        if op not in ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"):
            raise ReadError("XP1009", "vectors are not compared", span=span)
        assert isinstance(kind, ir.Vector)
        a, b = self.lanes(left, kind, span), self.lanes(right, kind, span)

        def lane(index: Expr) -> Number:
            number = self.math.binary(op, a.lane(index), b.lane(index), span)
            return self.math.convert(number, kind.of.dtype)

        return Lanes(kind, lane)

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
            if known is not None:
                return Number(self.test(expr.right), "bool")
            scope = left if expr.op == "&&" else self._negated(left)
            try:
                right = self.math.truth(self._under(scope, expr.right))
            except _SideEffect:
                decided = ir.Literal(int(expr.op == "||"), "bool", expr.span)
                sides = (expr.right, decided) if expr.op == "&&" else (decided, expr.right)
                return self._in_steps(left, sides, expr.span)
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
        try:
            then = self._under(test, expr.then)
            other = self._under(self._negated(test), expr.other)
        except _SideEffect:
            return self._in_steps(test, (expr.then, expr.other), expr.span)
        return self._chosen(test, then, other, expr.span)

    def _in_steps(self, test: Expr, sides: tuple[ir.Expr, ir.Expr], span: Span) -> Value:
        """`test ? a : b` as an if, where a side does more than to give a value."""
        before = dict(self.env)
        found: list[tuple[list[Statement], Env, Number]] = []
        for side, holds in zip(sides, (test, self._negated(test)), strict=True):
            self.env = dict(before)
            with self.collecting() as body, self.assuming(holds):
                value = self.value(side)
            if not isinstance(value, Number):
                raise ReadError("XP1009", "this choice between two objects is not read", span=span)
            found.append((body, self.env, value))
        self.env = before
        (then, then_env, a), (other, other_env, b) = found
        kind = ir.Arithmetic(a.dtype if a.dtype == b.dtype else common(a.dtype, b.dtype))
        address = self.allocate("chosen", kind, span)
        for steps, value in ((then, a), (other, b)):
            with self.collecting() as store:
                self.store(address, value, span)
            steps.extend(store)
        self.branch(test, then, other, span)
        self.env = self._merged(test, then_env, other_env, span)
        return self.load(address, span)

    def _chosen(self, test: Expr, then: Value, other: Value, span: Span) -> Value:
        """`test ? then : other`."""
        if isinstance(then, Number) and isinstance(other, Number):
            return self.math.select(test, then, other)
        if isinstance(then, Record) and isinstance(other, Record) and same_class(then, other):
            parts = {
                name: self._chosen(test, part, other.fields[name], span)
                for name, part in then.fields.items()
            }
            return Record(then.kind, parts)
        masks = [side.kind for side in (then, other) if isinstance(side, Lanes)]
        if masks and all(map(is_mask, masks)):
            kind = max(masks, key=lambda mask: mask.lanes)
            then, other = self.lanes(then, kind, span), self.lanes(other, kind, span)
        if isinstance(then, Lanes) and isinstance(other, Lanes) and then.kind == other.kind:
            one, two = then.lane, other.lane
            return Lanes(then.kind, lambda lane: self.math.select(test, one(lane), two(lane)))
        if (
            isinstance(then, Address)
            and isinstance(other, Address)
            and then.buffer.same_as(other.buffer)
        ):
            a, b = Number(then.offset, "int64"), Number(other.offset, "int64")
            return Address(then.buffer, self.math.select(test, a, b).expr, then.of)
        raise ReadError("XP1009", "this choice between two objects is not read", span=span)

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
            self.env = env
            raise _SideEffect
        self.out.extend(s for s in steps if isinstance(s, Alloc))
        rest = tuple(s for s in steps if not isinstance(s, Alloc))
        if rest:
            self.emit(Branch(test, rest, (), expr.span))
        return value

    def _assign(self, expr: ir.Assign) -> Value:
        wanted = self.unwanted is not expr
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
        elif isinstance(value, Number) and (tir.has_load(value.expr) or value.is_float):
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
        return self.load(address, span)

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
                else:
                    raise ReadError("XP1009", "this initialiser is not read", span=span)
        return Record(kind, fields_)

    def _negated(self, test: Expr) -> Expr:
        negated = tirx.Not(test)
        return negated if tir.has_load(test) else self.math.simplify(negated)


def _lane_named(expr: ir.Member) -> int:
    """The lane of `v.x`, `v.w`, `v.s3`."""
    if expr.field in ("x", "y", "z", "w"):
        return "xyzw".index(expr.field)
    if expr.field.startswith("s") and expr.field[1:].isdigit():
        return int(expr.field[1:])
    raise ReadError("XP1009", f"{expr.field!r} of a vector is not read", span=expr.span)


def same_class(a: Record, b: Record) -> bool:
    return (a.kind.name, a.kind.ident, a.kind.args) == (b.kind.name, b.kind.ident, b.kind.args)
