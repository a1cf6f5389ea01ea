"""Calls: functions and lambdas inlined, what the dialect brings, lanes of a warp."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.tir import Expr

from .. import ir, library
from ..program import Barrier, Store
from ..values import (
    Address,
    Closure,
    Number,
    Record,
    Value,
)
from .expressions import Expressions
from .questions import (
    returns_once,
)
from .state import (
    Alias,
    Frame,
    Place,
    VariablePlace,
)

INLINE_DEPTH = 64


class Calls(Expressions):
    """Calls: functions and lambdas inlined, what the dialect brings, lanes of a warp."""

    if TYPE_CHECKING:
        # Of the classes further down the chain.
        def run(self, statements: list[ir.Stmt]) -> bool: ...

        def _local(self, variable: ir.Variable, kind: ir.Type, value: Value) -> None: ...

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
        return library.call(self, callee.name, expr)

    def _inline_lambda(self, closure: Closure, expr: ir.Call) -> Value:
        source = closure.source
        frame = Frame("lambda", {}, ir.AUTO, len(self.frames))
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
        frame = Frame(function.name, templates, ir.VOID, len(self.frames))
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
        self, frame: Frame, params: tuple[ir.Variable, ...], body: ir.Block, expr: ir.Call
    ) -> Value:
        if len(params) != len(expr.args):
            raise ReadError("XP1009", "default arguments are not read", span=expr.span)
        bindings: list[tuple[ir.Variable, ir.Type, Value | Place]] = []
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
                    bindings.append((variable, kind, VariablePlace(arg.ident)))
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
                    self.env[variable.ident] = Alias(given)  # type: ignore[arg-type]
                else:
                    self._local(variable, kind, given)  # type: ignore[arg-type]
            if frame.result not in (ir.VOID, ir.AUTO) and not returns_once(body):
                frame.result_place = self.allocate(frame.name + "_result", frame.result, expr.span)
            self.run([body])
        finally:
            self.frames.pop()
        if frame.result_place is not None:
            return self.load(frame.result_place, expr.span)
        return frame.value

    def barrier(self, span: Span, warp: bool = False) -> None:
        self.emit(Barrier(span, warp))

    def exchange(self, value: Number, lane: Callable[[Expr], Expr], span: Span) -> Number:
        """Each thread's `value` as another thread of its warp holds it.

        `lane(own)` gives the lane to read. The values pass through a block-wide array between
        two barriers, which is what a shuffle means.
        """
        key = value.dtype
        if key not in self.scratch:
            self.scratch[key] = self.buffer("lanes_" + key, key, self.ids.size, "shared")
        buffer = self.scratch[key]
        expr = value.expr if tir.dtype_of(value.expr) == key else tirx.Cast(key, value.expr)
        self.barrier(span, warp=True)
        self.emit(Store(buffer, self.ids.linear, expr, span))
        self.barrier(span, warp=True)
        own = self.math.simplify(tirx.floormod(self.ids.linear, tir.const(self.ids.warp, "int32")))
        other = self.math.simplify(self.ids.linear - own + lane(own))
        address = self.allocate("lane", ir.Arithmetic(key), span)
        self.emit(Store(address.buffer, tir.const(0, "int32"), buffer[other], span))
        result = self.load(address, span)
        assert isinstance(result, Number)
        return result
