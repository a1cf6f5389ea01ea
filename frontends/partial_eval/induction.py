"""Induction: what each round of a loop moves by a constant, and how many rounds it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, ReadError, Span
from xpiler_tvm.tir import Expr, Var

from .. import ir, library
from ..values import Address, Closure, Nothing, Number, Record, Value, size_of, unit_of
from .questions import (
    flattened,
    has_break,
    has_continue,
    has_return,
    walk,
)
from .state import (
    Alias,
    Binding,
    Env,
    VariablePlace,
)
from .statements import Statements


class Induction(Statements):
    """Induction: variables that each round moves by a constant, and trip counts."""

    if TYPE_CHECKING:
        # Of the classes further down the chain.
        def _body(self, loop: ir.Loop) -> None: ...

    def _assigned(self, *parts: Any) -> set[int]:
        """Variables of the environment that the parts assign."""
        found: set[int] = set()
        for node in walk(parts):
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
        bound = {ident: self.env.get(ident) for ident in found}
        return {
            ident
            for ident, value in bound.items()
            if isinstance(value, (Number, Address))
            or (isinstance(value, Record) and not library.cooperative.is_group(value.kind))
        }

    def _root(self, ident: int) -> int:
        binding = self.env.get(ident)
        if isinstance(binding, Alias) and isinstance(binding.place, VariablePlace):
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

    def _advanced(self, start: Binding, count: Expr, step: int, span: Span) -> Value:
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
            node for node in walk((loop.body, loop.step, loop.test)) if self._updates(node, ident)
        ]
        if len(updates) != 1:
            return None
        (update,) = updates
        in_step = any(node is update for node in walk((loop.step,)))
        top = [s.value for s in flattened((loop.body,)) if isinstance(s, ir.Evaluate)]
        if not in_step and (not any(update is v for v in top) or has_continue(loop.body)):
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
        if any(isinstance(n, ir.Name) and self._root(n.ident) in changed for n in walk((amount,))):
            return None
        if any(isinstance(n, (ir.Subscript, ir.Call)) for n in walk((amount,))):
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

    def _indirect_induction(
        self, loop: ir.Loop, ident: int, steps: dict[int, int], changed: set[int]
    ) -> int | None:
        """The constant by which an iteration moves a variable in several steps or inner loops.

        It is the same from the first value and from any later one, which two dry runs tell, with
        nothing known of what else the loop changes.
        """
        start = self.env.get(ident)
        if not isinstance(start, (Number, Address)) or not self._only_moves(loop, ident):
            return None
        counter = self.counter("round", 1 << 30)
        first = self._moved_by_iteration(loop, ident, start, {})
        if first is None:
            return None
        advanced: Env = {
            other: self._advanced(self.env[other], counter, step, loop.span)
            for other, step in steps.items()
        }
        for other in sorted(changed - set(steps) - {ident}):
            advanced[other] = self._unknown(self.env[other])
        later = self._advanced(start, counter, first, loop.span)
        again = self._moved_by_iteration(loop, ident, later, advanced)
        return first if again == first else None

    def _only_moves(self, loop: ir.Loop, ident: int) -> bool:
        """Whether all that a loop does to a variable is to add to it, in each iteration alike."""
        if has_break(loop.body) or has_return(loop.body):
            return False
        for node in walk((loop.body, loop.step)):
            if isinstance(node, ir.Assign) and self._updates(node, ident):
                sum_ = isinstance(node.value, ir.Binary) and node.value.op in ("+", "-")
                if node.op not in ("+", "-") and (node.op or not sum_):
                    return False
        return True

    def _unknown(self, binding: Binding) -> Binding:
        """Any value of the kind of this one."""
        if isinstance(binding, Number):
            return Number(tirx.Var("any", tir.dtype_of(binding.expr)), binding.dtype)
        if isinstance(binding, Address):
            offset = tirx.Var("any", tir.dtype_of(binding.offset))
            return Address(binding.buffer, offset, binding.of)
        return Nothing()

    def _moved_by_iteration(
        self, loop: ir.Loop, ident: int, start: Binding, others: Env
    ) -> int | None:
        with self.dry():
            self.env.update(others)
            self.env[ident] = start
            try:
                self._body(loop)
            except (ReadError, LiftError):
                return None
            end = self.env.get(ident)
        if isinstance(start, Address) and isinstance(end, Address):
            if not start.buffer.same_as(end.buffer) or start.of != end.of:
                return None
            unit = size_of(start.of, loop.span) // unit_of(start.buffer)
            apart = self.math.known(end.offset - start.offset)
            return None if apart is None or apart % unit else apart // unit
        if not isinstance(start, Number) or not isinstance(end, Number):
            return None
        alike = tir.dtype_of(start.expr) == tir.dtype_of(end.expr)
        return self.math.known(end.expr - start.expr) if alike else None

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
        self, loop: ir.Loop, counter: Var, starts: dict[int, Binding], steps: dict[int, int]
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
            count = self.math.simplify(first if slope == -1 else first * -1)
            return self._narrow_count(count)
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
        narrow = self._narrow_count(count)
        if narrow is not None and self.math.bounds(narrow)[1] <= 0:
            return self.math.simplify(tirx.max(narrow, zero))
        return narrow

    def _narrow_count(self, count: Expr) -> Expr | None:
        """A trip count as an int32, which counters are; `None` where it need not be one."""
        low, high = self.math.bounds(count)
        if tir.dtype_of(count) == "int64" and low >= -(1 << 31) and high < 1 << 31:
            count = self.math.simplify(tirx.Cast("int32", count))
        return count if tir.dtype_of(count) == "int32" else None
