"""A flat program with its floating-point numbers taken for something else.

    for i in range(4): y[0] = y[0] + x[i] * w[i]        float32
    ->  for i in range(4): y[0] = y[0] + x[i] * w[i]    float64, |x| and |w|, residues: `domains`

Control, indices and integers stay what they are. Every buffer and variable is new, so that several
such programs can be one function (`together`), which is compiled and run once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from .domains import Domain, Undefined

_COMPARISONS = (tirx.EQ, tirx.NE, tirx.LT, tirx.LE, tirx.GT, tirx.GE)


def reinterpreted(func: tirx.PrimFunc, domain: Domain | None) -> tirx.PrimFunc:
    """`func`, a flat program, over `domain`; with `None` the same program with names of its own.

    Raises `Undefined` where it computes what the domain does not have.
    """
    return _Reinterpretation(domain).function(func)


def together(functions: Sequence[tirx.PrimFunc]) -> tvm.IRModule:
    """One `main` that takes the parameters of all, in order, and runs one after the other."""
    params = [param for func in functions for param in func.params]
    bodies = [func.body for func in functions]
    body = bodies[0] if len(bodies) == 1 else tirx.SeqStmt(bodies)
    attrs = {"global_symbol": "main", "tirx.noalias": True}
    return tvm.IRModule({"main": tirx.PrimFunc(params, body).with_attr(attrs)})


def optional(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` with one more parameter, the last, that says whether it does anything."""
    wanted = tirx.Var("wanted", "int32")
    test = tirx.NE(wanted, tir.const(0, "int32"))
    return tirx.PrimFunc([*func.params, wanted], tirx.IfThenElse(test, func.body, None))


def _is_float(dtype: str) -> bool:
    return "float" in dtype


class _Reinterpretation:
    def __init__(self, domain: Domain | None) -> None:
        self.domain = domain
        self.names: dict[Var, Any] = {}

    def function(self, func: tirx.PrimFunc) -> tirx.PrimFunc:
        params = [
            self._buffer(param) if tirx.is_buffer_var(param) else self._variable(param)
            for param in func.params
        ]
        return tirx.PrimFunc(params, self.statement(func.body))

    def _dtype(self, dtype: str) -> str:
        return self.domain.dtype if self.domain and _is_float(dtype) else dtype

    def _buffer(self, buffer: Buffer) -> Buffer:
        new = tirx.decl_buffer(
            buffer.shape, self._dtype(str(buffer.dtype)), buffer.name, scope=buffer.scope()
        )
        self.names[buffer] = new
        return new

    def _variable(self, var: Var) -> Var:
        new = tirx.Var(var.name, self._dtype(tir.dtype_of(var)))
        self.names[var] = new
        return new

    # ------------------------------------------------------------ statements

    def statement(self, stmt: Any) -> Any:
        if isinstance(stmt, tirx.SeqStmt):
            return tirx.SeqStmt([self.statement(part) for part in stmt.seq])
        if isinstance(stmt, tirx.BufferStore):
            indices = [self.expression(index) for index in stmt.indices]
            value = self.expression(stmt.value)
            return tirx.BufferStore(self.names[stmt.buffer], value, indices)
        if isinstance(stmt, tirx.For):
            least, extent = self.expression(stmt.min), self.expression(stmt.extent)
            var = self._variable(stmt.loop_var)
            return tirx.For(var, least, extent, tirx.ForKind.SERIAL, self.statement(stmt.body))
        if isinstance(stmt, tirx.IfThenElse):
            other = self.statement(stmt.else_case) if stmt.else_case is not None else None
            then = self.statement(stmt.then_case)
            return tirx.IfThenElse(self.expression(stmt.condition), then, other)
        if isinstance(stmt, tirx.While):
            return tirx.While(self.expression(stmt.condition), self.statement(stmt.body))
        if isinstance(stmt, tirx.AllocBuffer):
            return tirx.AllocBuffer(self._buffer(stmt.buffer))
        if isinstance(stmt, tirx.Evaluate) and tir.as_const(stmt.value) is not None:
            return stmt
        raise Undefined(f"a statement of kind {type(stmt).__name__}")

    # ------------------------------------------------------------ expressions

    def expression(self, expr: Expr) -> Expr:
        if self.domain is None or not self._holds_float(expr):
            return tvm_ffi.structural_map(expr, (tirx.Var, lambda var: self.names.get(var, var)))
        return self._changed(expr)

    def _holds_float(self, expr: Expr) -> bool:
        """Whether a floating-point number is part of the expression."""
        if _is_float(tir.dtype_of(expr)):
            return True
        found = [load for load in tir.loads(expr) if _is_float(tir.dtype_of(load))]
        return bool(found) or any(_is_float(tir.dtype_of(var)) for var in tir.variables(expr))

    def _changed(self, expr: Expr) -> Expr:
        domain = self.domain
        assert domain is not None
        real = _is_float(tir.dtype_of(expr))
        if isinstance(expr, tirx.FloatImm):
            return domain.constant(float(expr.value))
        if isinstance(expr, tirx.Var):
            return self.names.get(expr, expr)
        if isinstance(expr, tir.Load):
            indices = [self.expression(index) for index in expr.indices]
            return self.names[expr.source][tuple(indices)]
        if isinstance(expr, tirx.Cast):
            value = self.expression(expr.value)
            inner, dtype = _is_float(tir.dtype_of(expr.value)), tir.dtype_of(expr)
            if real:
                return domain.rounded(value, dtype) if inner else domain.from_integer(value)
            return domain.to_integer(value, dtype) if inner else tirx.Cast(dtype, value)
        if isinstance(expr, tirx.Select):
            parts = (expr.condition, expr.true_value, expr.false_value)
            return tirx.Select(*(self.expression(part) for part in parts))
        if isinstance(expr, tirx.Not):
            return tirx.Not(self.expression(expr.a))
        if isinstance(expr, tvm.ir.Call):
            return self._call(expr, real)
        if hasattr(expr, "a") and hasattr(expr, "b"):
            return self._binary(expr, real)
        raise Undefined(f"an expression of kind {type(expr).__name__}")

    def _binary(self, expr: Expr, real: bool) -> Expr:
        domain = self.domain
        assert domain is not None
        a, b = self.expression(expr.a), self.expression(expr.b)
        if isinstance(expr, _COMPARISONS) and _is_float(tir.dtype_of(expr.a)):
            return domain.compare(type(expr), a, b)
        if not real:
            return type(expr)(a, b)
        if isinstance(expr, tirx.Add):
            return domain.add(a, b)
        if isinstance(expr, tirx.Sub):
            return domain.subtract(a, b)
        if isinstance(expr, tirx.Mul):
            return domain.multiply(a, b)
        if isinstance(expr, tirx.Div):
            return domain.divide(a, b, expr.b)
        if isinstance(expr, (tirx.Max, tirx.Min)):
            return domain.extreme(type(expr), a, b)
        raise Undefined(f"the operator {type(expr).__name__}")

    def _call(self, call: Expr, real: bool) -> Expr:
        domain = self.domain
        assert domain is not None
        name = str(getattr(call.op, "name", "")).rpartition(".")[2]
        arguments = [self.expression(argument) for argument in call.args]
        if name == "if_then_else":
            return tirx.if_then_else(*arguments)
        if not real or any(not _is_float(tir.dtype_of(one)) for one in call.args):
            # isnan and bit casts look at a number's representation.
            raise Undefined(name or "a call")
        return domain.call(name, arguments)
