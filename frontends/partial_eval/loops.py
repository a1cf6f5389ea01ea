"""Loops: counted, unrolled, or until data ends them."""

from __future__ import annotations

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError
from xpiler_tvm.tir import Expr

from .. import ir
from ..program import Branch, Loop, While
from ..values import Address, Number
from .induction import Induction
from .questions import (
    has_break,
    has_continue,
    has_return,
    walk,
)
from .state import (
    Demote,
    LoopFrame,
)

UNROLL_LIMIT = 4096
UNROLL_SMALL = 64


class Loops(Induction):
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
        most = self.sizes.most(extent) if self.sizes.uses(extent) else None
        if most is not None:
            guard = None if tir.same(most, extent) else tirx.LT(counter, extent)
            lowest = self.math.bounds(most)[0]
            whole = most if lowest >= 0 else tirx.max(most, tir.const(0, tir.dtype_of(most)))
        elif known is None and high < 1 << 24:
            guard, whole = tirx.LT(counter, extent), tir.const(high, "int32")
        else:
            whole = extent if low >= 0 else tirx.max(extent, tir.const(0, tir.dtype_of(extent)))
        self.bind(counter, whole)
        for ident, step in steps.items():
            self.env[ident] = self._advanced(starts[ident], counter, step, loop.span)
        if guard is not None and loop.test_first and loop.test.op != "!=":
            guard = self.test(loop.test)  # the same, in the source's terms
        inside = dict(self.env)
        tests = [test for test in (guard, self._running(frame)) if test is not None]
        with self.collecting() as body, self.sizes.inside(counter, whole):
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
        if not all(map(self.only_watches, before)):
            raise LiftError("XP2002", "the test of this loop has a side effect", span=loop.span)
        with self.collecting() as body:
            self.until += [] if test is None else [test]
            self._body(loop)
            # What the test reads is watched where it is read: before the loop, and after each turn.
            for watch in before:
                self.emit(watch if running is None else Branch(running, (watch,), (), loop.span))
            del self.until[len(self.until) - (test is not None) :]
            if not loop.test_first and loop.test is not None:
                assert frame.running is not None and running is not None
                again = self.test(loop.test)
                both = tirx.if_then_else(running, again, tir.const(False, "bool"))
                flag = Address(frame.running, tir.const(0, "int32"), ir.Arithmetic("int32"))
                self.store(flag, Number(tirx.Cast("int32", both), "int32"), loop.span)
        for watch in before:
            self.emit(watch)
        self.env = {ident: b for ident, b in self.env.items() if ident in inside}
        tests = [t for t in (running, test) if t is not None]
        whole = tests[0] if tests else tir.const(True, "bool")
        if len(tests) == 2:
            whole = tirx.if_then_else(tests[0], tests[1], tir.const(False, "bool"))
        if tir.as_const(whole) == 1 or not tir.has_load(whole):
            self.refuse_symbolic(whole, "the end of this loop", loop.span)
            raise LiftError("XP2002", "this loop never ends", span=loop.span)
        if before:  # reading the nearest element instead, the test might hold for ever
            whole = tirx.if_then_else(self.unseen(), whole, tir.const(False, "bool"))
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
