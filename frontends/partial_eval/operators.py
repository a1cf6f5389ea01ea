"""Operators: arithmetic of numbers, pointers, vectors and classes; choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, ReadError, Span
from xpiler_tvm.tir import Expr

from .. import ir
from ..program import Alloc, Branch, Statement, Store
from ..values import BITS, Address, Lanes, Null, Number, Record, Value, common, size_of, unit_of
from .places import Places
from .registers import as_integer, is_mask, mask_type, resized
from .state import (
    Demote,
    Env,
    Place,
)


class _SideEffect(Exception):
    """An expression that may not be evaluated always does more than to give a value."""


class Operators(Places):
    """Operators: arithmetic of numbers, pointers, vectors and classes; choices."""

    if TYPE_CHECKING:
        # Of the classes further down the chain.
        def number(self, expr: ir.Expr) -> Number: ...

        def assign(self, place: Place, value: Value, span: Span, wanted: bool = True) -> Value: ...

        def kind_of(self, expr: ir.Expr) -> ir.Type | None: ...

        def library_call(self, name: str, expr: ir.Call) -> Value: ...

        def branch(
            self, test: Expr, then: list[Statement], other: list[Statement], span: Span
        ) -> None: ...

        def _merged(self, test: Expr, then: Env, other: Env, span: Span) -> Env: ...

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
                return self.library_call("operator-", call)
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
            return Number(self.math.negation(self.test(expr.value)), "bool")
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
            return self.library_call("operator" + op, call)
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
            sides = (expr.then, expr.other) if known else (expr.other, expr.then)
            return self._with_common_type(self.value(sides[0]), sides[1])
        try:
            then = self._under(test, expr.then)
            other = self._under(self._negated(test), expr.other)
        except _SideEffect:
            return self._in_steps(test, (expr.then, expr.other), expr.span)
        return self._chosen(test, then, other, expr.span)

    def _with_common_type(self, value: Value, other: ir.Expr) -> Value:
        """A side of a choice as the type that both sides have in common."""
        if not isinstance(value, Number):
            return value
        try:
            kind = self.kind_of(other)
        except (ReadError, LiftError):
            return value  # what is never evaluated need not be readable
        if not isinstance(kind, ir.Arithmetic) or kind.dtype == value.dtype:
            return value
        return self.math.convert(value, common(value.dtype, kind.dtype))

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
            whole = self.math.select(test, then, other)
            return Number(whole.expr, whole.dtype, self._chosen_parts(test, then, other))
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

    def _chosen_parts(self, test: Expr, then: Number, other: Number) -> tuple[Expr, ...]:
        """What a choice between numbers that memory holds in parts is made of, or a constant."""
        known = then.parts or other.parts
        if not known or then.dtype != other.dtype:
            return ()
        narrow = tir.dtype_of(known[0])
        sides = [_in_parts(side, narrow) for side in (then, other)]
        if len(sides[0]) != len(sides[1]):
            return ()
        return tuple(
            self.math.select(test, Number(one, narrow), Number(two, narrow)).expr
            for one, two in zip(*sides, strict=True)
        )

    def _under(self, test: Expr, expr: ir.Expr) -> Value:
        """A value that is worked out only where `test` holds: its steps stand under the test."""
        env = dict(self.env)
        with self.collecting() as steps, self.assuming(test):
            value = self.value(expr)
        made = [s.buffer for s in steps if isinstance(s, Alloc)]
        outside = any(
            not (isinstance(s, (Alloc, Store)) and any(s.buffer.same_as(b) for b in made))
            and not self.only_watches(s)
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

    def _negated(self, test: Expr) -> Expr:
        negated = tirx.Not(test)
        return negated if tir.has_load(test) else self.math.simplify(negated)


def same_class(a: Record, b: Record) -> bool:
    return (a.kind.name, a.kind.ident, a.kind.args) == (b.kind.name, b.kind.ident, b.kind.args)


def _in_parts(number: Number, narrow: str) -> tuple[Expr, ...]:
    """The parts of type `narrow` of a number that has such, or is a constant integer."""
    if number.parts:
        return number.parts if tir.dtype_of(number.parts[0]) == narrow else ()
    value, bits = tir.as_const(number.expr), BITS[narrow]
    if value is None or number.is_float or "float" in narrow:
        return ()
    words = [value >> at & ((1 << bits) - 1) for at in range(0, BITS[number.dtype], bits)]
    signed = not narrow.startswith("u")
    return tuple(
        tir.const(word - (1 << bits) if signed and word >> bits - 1 else word, narrow)
        for word in words
    )
