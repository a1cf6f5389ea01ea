"""What a program computes, written as terms over its inputs.

    y[0] = x[0] + (0 if n <= 0 else w[1])   ->   y[0]: add(x[0], w[1])

Integers that are known are computed, conditions that are known choose, and every other operation
is a name with operands. Two programs whose outputs are equal terms compute equal values from all
inputs; what no output needs is in none of them. Of programs whose terms differ nothing is said, nor
of those that read what nothing wrote.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import tvm
from tvm import s_tir, tirx

from xpiler_tvm import tir

# Operations of a program; those of the corpus have up to some hundred thousand.
LIMIT = 2_000_000


class Term:
    """An operation on values, or an input; equal ones of one table are one object."""


Table = dict[tuple[Any, ...], Term]
Value = int | Term


class Undecided(Exception):
    """The program does what has no term here: a store or a loop that data decides."""


def same_terms(left: tvm.IRModule, right: tvm.IRModule) -> bool:
    """Whether two modules with the same parameters compute the same; false where nobody knows."""
    table: Table = {}
    try:
        return outputs_of(left, table) == outputs_of(right, table)
    except Undecided:
        return False


def outputs_of(mod: tvm.IRModule, table: Table) -> list[dict[tuple[int, ...], Value]]:
    """What each buffer parameter of `main` holds at the end. Raises `Undecided`."""
    run = _Execution(mod["main"], table)
    return [run.memory[param] for param in run.params if param in run.memory]


_ARITHMETIC: dict[Any, Callable[[int, int], int]] = {
    tirx.Add: operator.add,
    tirx.Sub: operator.sub,
    tirx.Mul: operator.mul,
    tirx.FloorDiv: operator.floordiv,
    tirx.FloorMod: operator.mod,
    tirx.Div: lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    tirx.Mod: lambda a, b: abs(a) % abs(b) * (-1 if a < 0 else 1),
    tirx.Min: min,
    tirx.Max: max,
    tirx.EQ: operator.eq,
    tirx.NE: operator.ne,
    tirx.LT: operator.lt,
    tirx.LE: operator.le,
    tirx.GT: operator.gt,
    tirx.GE: operator.ge,
    tirx.BitwiseAnd: operator.and_,
    tirx.BitwiseOr: operator.or_,
    tirx.BitwiseXor: operator.xor,
    tirx.LShift: operator.lshift,
    tirx.RShift: operator.rshift,
}


class _Execution:
    """One run: elements of buffers, and values of variables, as terms."""

    def __init__(self, func: tirx.PrimFunc, table: Table) -> None:
        self.table = table
        self.names: dict[Any, Value] = {}
        self.memory: dict[Any, dict[tuple[int, ...], Value]] = {}
        self.steps = 0
        self.params = list(func.params)
        for number, param in enumerate(self.params):
            if tirx.is_buffer_var(param):
                places = itertools.product(*(range(_extent(one)) for one in param.shape))
                self.memory[param] = {place: self._term("input", number, place) for place in places}
            else:
                self.names[param] = self._term("input", number)
        self.run(func.body)

    def _term(self, *parts: Any) -> Term:
        found = self.table.get(parts)
        if found is None:
            found = self.table[parts] = Term()
        return found

    # ------------------------------------------------------------ statements

    def run(self, stmt: Any) -> None:
        self.steps += 1
        if self.steps > LIMIT:
            raise Undecided("too long")
        if isinstance(stmt, tirx.SeqStmt):
            for part in stmt.seq:
                self.run(part)
        elif isinstance(stmt, tirx.For):
            self._loop(stmt)
        elif isinstance(stmt, tirx.BufferStore):
            self._store(stmt)
        elif isinstance(stmt, tirx.IfThenElse):
            if self._known(stmt.condition):
                self.run(stmt.then_case)
            elif stmt.else_case is not None:
                self.run(stmt.else_case)
        elif isinstance(stmt, s_tir.SBlockRealize):
            self._block(stmt)
        elif isinstance(stmt, tirx.AllocBuffer):
            self.memory[stmt.buffer] = {}
        elif not (isinstance(stmt, tirx.Evaluate) and tir.as_const(stmt.value) is not None):
            raise Undecided(f"a statement of kind {type(stmt).__name__}")

    def _loop(self, stmt: Any) -> None:
        first, extent = self._known(stmt.min), self._known(stmt.extent)
        for number in range(first, first + extent):
            self.names[stmt.loop_var] = number
            self.run(stmt.body)

    def _store(self, stmt: Any) -> None:
        # Places of other stores would no longer be known after one at an unknown place.
        place = tuple(self._known(index) for index in stmt.indices)
        _require_inside(place, stmt.buffer)
        self.memory[stmt.buffer][place] = self.value(stmt.value)

    def _block(self, stmt: Any) -> None:
        if not self._known(stmt.predicate):
            return
        block = stmt.block
        starts = True
        for var, given in zip(block.iter_vars, stmt.iter_values, strict=True):
            self.names[var.var] = number = self._known(given)
            if var.iter_type == tirx.IterVar.CommReduce:
                starts = starts and number == self._known(var.dom.min)
        for buffer in block.alloc_buffers:
            self.memory[buffer] = {}
        if block.match_buffers:
            raise Undecided("a view of a buffer")
        if block.init is not None and starts:
            self.run(block.init)
        self.run(block.body)

    def _known(self, expr: Any) -> int:
        value = self.value(expr)
        if not isinstance(value, int):
            raise Undecided("a number that depends on data")
        return value

    # ------------------------------------------------------------ expressions

    def value(self, expr: Any) -> Value:
        """An integer or truth value that is known, or a term."""
        self.steps += 1
        if isinstance(expr, tirx.IntImm):
            return int(expr.value)
        if isinstance(expr, tirx.FloatImm):
            return self._term("float", str(expr.ty.dtype), float(expr.value))
        if isinstance(expr, tir.Load):
            return self._load(expr)
        if isinstance(expr, tirx.Var):
            if expr not in self.names:
                raise Undecided(f"{expr} has no value")
            return self.names[expr]
        if isinstance(expr, tirx.Select):
            return self._choice(expr.condition, expr.true_value, expr.false_value)
        if isinstance(expr, tirx.And | tirx.Or):
            return self._connective(expr)
        if isinstance(expr, tirx.Not):
            known = self.value(expr.a)
            return int(not known) if isinstance(known, int) else self._term("not", known)
        if isinstance(expr, tirx.Cast):
            return self._cast(expr)
        if isinstance(expr, tvm.ir.Call):
            return self._call(expr)
        if hasattr(expr, "a") and hasattr(expr, "b"):
            a, b = self.value(expr.a), self.value(expr.b)
            return self._operation(expr, a, b)
        raise Undecided(f"an expression of kind {type(expr).__name__}")

    def _operation(self, expr: Any, a: Value, b: Value) -> Value:
        dtype, compute = tir.dtype_of(expr), _ARITHMETIC.get(type(expr))
        if compute is None or not isinstance(a, int) or not isinstance(b, int):
            return self._term(type(expr).__name__, dtype, a, b)
        try:
            return _wrapped(compute(a, b), dtype)
        except (ZeroDivisionError, ValueError):
            raise Undecided("a division by zero, or a shift by less than nothing") from None

    def _load(self, expr: Any) -> Value:
        held = self.memory.get(expr.source)
        if held is None:
            raise Undecided(f"{expr.source} is nowhere allocated")
        place = tuple(self.value(index) for index in expr.indices)
        if all(isinstance(index, int) for index in place):
            _require_inside(place, expr.source)  # type: ignore[arg-type]
            if place not in held:
                raise Undecided(f"a read of what nothing wrote to {expr.source.name}")
            return held[place]  # type: ignore[index]
        # Any element may be meant: the term holds all that the buffer holds now.
        return self._term(
            "element", tuple(sorted(held.items(), key=operator.itemgetter(0))), *place
        )

    def _choice(self, condition: Any, true: Any, false: Any) -> Value:
        known = self.value(condition)
        if isinstance(known, int):
            return self.value(true if known else false)
        sides = self.value(true), self.value(false)
        return sides[0] if sides[0] == sides[1] else self._term("choice", known, *sides)

    def _connective(self, expr: Any) -> Value:
        decides = isinstance(expr, tirx.Or)
        left = self.value(expr.a)
        if isinstance(left, int):
            return int(decides) if bool(left) == decides else self.value(expr.b)
        right = self.value(expr.b)
        if isinstance(right, int):
            return int(decides) if bool(right) == decides else left
        return self._term(type(expr).__name__, left, right)

    def _cast(self, expr: Any) -> Value:
        value, dtype = self.value(expr.value), tir.dtype_of(expr)
        if isinstance(value, int) and "float" not in dtype:
            return int(bool(value)) if dtype == "bool" else _wrapped(value, dtype)
        return self._term("cast", dtype, value)

    def _call(self, expr: Any) -> Value:
        name = str(expr.op.name).rpartition(".")[2] if isinstance(expr.op, tvm.ir.Op) else ""
        if name == "if_then_else":
            return self._choice(*expr.args)
        effect = expr.op.get_attr("TCallEffectKind") if name else None
        if effect is None or int(effect) > tirx.CallEffectKind.Pure.value:
            raise Undecided(f"a call of {name or expr.op}")
        operands = (self.value(argument) for argument in expr.args)
        return self._term(name, tir.dtype_of(expr), *operands)


def _extent(expr: Any) -> int:
    known = tir.as_const(expr)
    if known is None:
        raise Undecided("a size that is not known")
    return known


def _require_inside(place: tuple[int, ...], buffer: Any) -> None:
    for index, extent in zip(place, buffer.shape, strict=True):
        if not 0 <= index < _extent(extent):
            raise Undecided(f"an access outside of {buffer.name}")


def _wrapped(value: int | bool, dtype: str) -> int:
    """An integer as its type holds it."""
    if dtype == "bool":
        return int(value)
    kind = np.iinfo(dtype)
    return (int(value) - int(kind.min)) % (1 << kind.bits) + int(kind.min)
