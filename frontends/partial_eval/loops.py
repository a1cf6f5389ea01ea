"""Loops: counted, unrolled, or until data ends them."""

from __future__ import annotations

from typing import Any

from tvm import tirx
from tvm.ir import Range

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, ReadError, Span
from xpiler_tvm.tir import Expr, Var

from .. import ir, library
from ..program import Branch, Loop, While
from ..values import (
    Address,
    Closure,
    Nothing,
    Number,
    Record,
    Value,
    size_of,
    unit_of,
)
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
    Demote,
    Env,
    LoopFrame,
    VariablePlace,
)
from .statements import Statements

UNROLL_LIMIT = 4096
UNROLL_SMALL = 64


class Loops(Statements):
    """Loops: counted, unrolled, or until data ends them."""

    def _loop(self, loop: ir.Loop) -> None:
        count_down = _stepping_test(loop)
        if count_down is not None:
            loop, step = count_down
            self._plain_loop(loop)
            self.effect(step)  # the test that ends the loop steps once more
        else:
            self._plain_loop(_with_plain_test(loop))

    def _plain_loop(self, loop: ir.Loop) -> None:
        if loop.init is not None:
            self.run([loop.init])
        frame = LoopFrame()
        returns, breaks = has_return(loop.body), has_break(loop.body)
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

    def _running(self, frame: LoopFrame) -> Expr | None:
        if frame.running is None:
            return None
        return tirx.NE(frame.running[0], tir.const(0, "int32"))

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

    def _counted(self, loop: ir.Loop, frame: LoopFrame) -> bool:
        """Emits the loop with a trip count in closed form; false where there is none."""
        if not isinstance(loop.test, ir.Binary) or loop.test.op not in ("<", ">", "<=", ">=", "!="):
            return False
        changed = self._assigned(loop.body, loop.step, loop.test)
        steps: dict[int, int] = {}
        for ident in sorted(changed):
            step = self._induction(loop, ident, changed)
            if step is not None:
                steps[ident] = step
        if not steps:
            return False
        counter = tirx.Var(self._counter_name(loop), "int32")
        for ident in sorted(changed - set(steps)):
            step = self._indirect_induction(loop, ident, steps, changed)
            if step is not None:
                steps[ident] = step
        others = sorted(changed - set(steps))
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
                raise Demote(ident)
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
        if guard is not None and loop.test_first and loop.test.op != "!=":
            guard = self.test(loop.test)  # the same, in the source's terms
        inside = dict(self.env)
        tests = [test for test in (guard, self._running(frame)) if test is not None]
        with self.collecting() as body:
            if tests:
                known = guard if guard is not None else tir.const(True, "bool")
                with self.collecting() as guarded, self.assuming(known):
                    self._body(loop)
                for test in reversed(tests):
                    plain = test if tir.has_load(test) else self.math.simplify(test)
                    if tir.as_const(plain) == 1:
                        continue
                    guarded = [Branch(plain, tuple(guarded), (), loop.span)]
                self.out.extend(guarded)
            else:
                self._body(loop)
        self.env = {ident: b for ident, b in self.env.items() if ident in inside}
        for ident, step in steps.items():
            final = tirx.max(extent, tir.const(0, tir.dtype_of(extent)))
            final = self.math.simplify(final)
            self.env[ident] = self._advanced(starts[ident], final, step, loop.span)
        if body:
            self.emit(Loop(counter, whole, tuple(body), False, loop.span))
        return True

    def _body(self, loop: ir.Loop) -> None:
        """One iteration, the inductions' own updates included (they are expressions)."""
        self.run([loop.body])
        if loop.step is not None:
            self.effect(loop.step)

    def _counter_name(self, loop: ir.Loop) -> str:
        if isinstance(loop.init, ir.Declare):
            return self._name(loop.init.variables[0].name)
        return self._name("i")

    def _declared_in(self, loop: ir.Loop, ident: int) -> bool:
        return isinstance(loop.init, ir.Declare) and any(
            variable.ident == ident for variable in loop.init.variables
        )

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

    def _unrolled(self, loop: ir.Loop, frame: LoopFrame) -> bool:
        """Emits the loop iteration by iteration while its test is known; false where it is not."""
        if loop.test is None or frame.running is not None:
            return False
        if self._assigned(loop.test) or self._known_test(loop.test) is None:
            return False
        env, kept = dict(self.env), list(self.out)
        if loop.test_first and self._known_test(loop.test) == 0:
            return True
        for _ in range(UNROLL_LIMIT):
            if not self.run([loop.body]) and not has_continue(loop.body):
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

    def _while(self, loop: ir.Loop, frame: LoopFrame) -> None:
        """A loop whose end depends on data."""
        for ident in sorted(self._assigned(loop.body, loop.step, loop.test)):
            raise Demote(ident)
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
            self._body(loop)
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
            self.refuse_symbolic(whole, "the end of this loop", loop.span)
            raise LiftError("XP2002", "this loop never ends", span=loop.span)
        self.emit(While(whole, tuple(body), loop.span))


def _with_plain_test(loop: ir.Loop) -> ir.Loop:
    """`while (test) body` as `for (;;) { if (!test) break; body }` where the test does more."""
    test, span = loop.test, loop.span
    if test is None or not any(
        isinstance(node, ir.Assign)
        or (isinstance(node, ir.Unary) and node.op.endswith(("++", "--")))
        for node in walk((test,))
    ):
        return loop
    ends = ir.If(ir.Unary("!", test, span), ir.Break(span), None, span)
    if loop.test_first:
        body = ir.Block((ends, loop.body), span)
    elif has_continue(loop.body):
        raise LiftError("XP2002", "the test of this loop has a side effect", span=span)
    else:
        body = ir.Block((loop.body, ends), span)
    return ir.Loop(loop.init, None, loop.step, body, True, span)


def _stepping_test(loop: ir.Loop) -> tuple[ir.Loop, ir.Expr] | None:
    """`while (i-- > 0) body` as `while (i > 0) { --i; body }` and the step that follows it."""
    test = loop.test
    stepped = test.left if isinstance(test, ir.Binary) else test
    if not isinstance(stepped, ir.Unary) or not stepped.op.startswith("post"):
        return None
    if not loop.test_first or has_break(loop.body) or has_return(loop.body):
        return None
    span = stepped.span
    step = ir.Unary("pre" + stepped.op[4:], stepped.value, span)
    if isinstance(test, ir.Binary):
        plain: ir.Expr = ir.Binary(test.op, stepped.value, test.right, test.span)
    else:
        plain = ir.Binary("!=", stepped.value, ir.Literal(0, "int32", span), span)
    body = ir.Block((ir.Evaluate(step, span), loop.body), loop.span)
    return ir.Loop(loop.init, plain, loop.step, body, True, loop.span), step
