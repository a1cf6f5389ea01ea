"""What an innermost loop does: its accesses and its guards as functions of the loop variable.

for i in range(64):                        accesses   y: stride 1 from t*64;  x: stride 2 from 0
    if t * 64 + i < n and ok:       ->     bounds     0 <= i < min(64, n - t*64)
        y[t * 64 + i] = x[i * 2]           conditions ok
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr, Var

from xpiler_tvm import tir

_ORDER = {tirx.LT: ("a", "b", True), tirx.LE: ("a", "b", False)}
_ORDER |= {tirx.GT: ("b", "a", True), tirx.GE: ("b", "a", False)}


@dataclass(frozen=True)
class Bounds:
    """`low <= variable < high`, either side missing where nothing is known."""

    low: Expr | None = None
    high: Expr | None = None


def depends(node: Expr, var: Var) -> bool:
    """Whether `var` occurs in `node`."""
    found: list[Var] = []
    tvm_ffi.structural_walk(node, [(Var, lambda v: found.append(v) if v.same_as(var) else None)])
    return bool(found)


def loads(node: Expr) -> list[tvm.ir.TensorLoad]:
    """Every array element that `node` reads."""
    found: list[tvm.ir.TensorLoad] = []
    tvm_ffi.structural_walk(node, [(tvm.ir.TensorLoad, found.append)])
    return found


def condition_of(node: Expr) -> Expr | None:
    """The condition of a conditional expression; `None` for any other."""
    if isinstance(node, tirx.Select):
        return node.condition
    if isinstance(node, tvm.ir.Call) and node.op.name.endswith(".if_then_else"):
        return node.args[0]
    return None


def sides_of(node: Expr) -> tuple[Expr, Expr]:
    """What a conditional expression gives where its condition holds, and where it does not."""
    if isinstance(node, tirx.Select):
        return node.true_value, node.false_value
    return node.args[1], node.args[2]


def substitute(node: Expr, var: Var, value: Expr) -> Expr:
    return tvm_ffi.structural_map(node, (Var, lambda v: value if v.same_as(var) else v))


def affine(node: Expr, var: Var, analyzer: tvm.sym.Analyzer) -> tuple[int, Expr] | None:
    """`(stride, base)` with `node == stride * var + base`, or `None` where it is not linear."""
    if not depends(node, var):
        return 0, node
    parts = tvm.sym.detect_linear_equation(analyzer.simplify(node), [var])
    if len(parts) != 2 or not isinstance(parts[0], tirx.IntImm):
        return None
    return int(parts[0]), parts[1]


def conjuncts(condition: Expr) -> list[Expr]:
    """The conditions that `condition` joins with `and`."""
    if isinstance(condition, tirx.And):
        return [*conjuncts(condition.a), *conjuncts(condition.b)]
    if isinstance(condition, tvm.ir.Call) and condition.op.name.endswith(".likely"):
        return conjuncts(condition.args[0])
    if isinstance(condition, tirx.Not) and type(condition.a) in tir.OPPOSITE_ORDERS:
        inner = condition.a
        return [tir.OPPOSITE_ORDERS[type(inner)](inner.a, inner.b)]
    return [condition]


def bounds(condition: Expr, var: Var, analyzer: tvm.sym.Analyzer) -> Bounds | None:
    """The interval of `var` in which one comparison holds, `None` where it is no interval.

    Understands comparisons that are linear in `var`, also through floor divisions:
    `u + var // 8 < 3` is what TVM makes of `u * 8 + var < 24`.
    """
    if isinstance(condition, tirx.EQ):
        parts = affine(condition.a - condition.b, var, analyzer)
        if parts is None or parts[0] not in (1, -1):
            return None
        at = analyzer.simplify(-parts[1] if parts[0] == 1 else parts[1])
        return Bounds(at, at + 1)
    if type(condition) not in _ORDER:
        return None
    less, more, strict = _ORDER[type(condition)]
    lower, upper = getattr(condition, less), getattr(condition, more)
    if not str(lower.ty.dtype).startswith("int"):
        return None
    return _positive(upper - lower + (0 if strict else 1), var, analyzer)


def _freed(condition: Expr, var: Var, analyzer: tvm.sym.Analyzer) -> Expr:
    """The comparison without `var` where it cancels out: `i + n < i + m` is `n - m < 0`."""
    if type(condition) not in _ORDER or not depends(condition, var):
        return condition
    if not str(condition.a.ty.dtype).startswith("int"):
        return condition
    parts = affine(condition.a - condition.b, var, analyzer)
    if parts is None or parts[0] != 0:
        return condition
    return type(condition)(parts[1], tirx.IntImm(str(parts[1].ty.dtype), 0))


def _positive(value: Expr, var: Var, analyzer: tvm.sym.Analyzer) -> Bounds | None:
    """Where `value > 0`."""
    parts = affine(value, var, analyzer)
    if parts is not None:
        stride, base = parts
        if stride == 0:
            return None
        if stride > 0:
            return Bounds(low=analyzer.simplify(tirx.floordiv(-base, stride) + 1))
        return Bounds(high=analyzer.simplify(tirx.floordiv(base - stride - 1, -stride)))
    divisions = [node for node in _floor_divisions(value) if depends(node, var)]
    # Of nested ones the outermost is undone first.
    inner = [each for node in divisions for each in _floor_divisions(node.a)]
    outermost = [node for node in divisions if not any(node.same_as(each) for each in inner)]
    if len(outermost) != 1 or not isinstance(outermost[0].b, tirx.IntImm):
        return None
    (division,) = outermost
    whole = tirx.Var("quotient", division.ty)
    replaced = tvm_ffi.structural_map(
        value, (tirx.FloorDiv, lambda node: whole if node.same_as(division) else node)
    )
    parts = affine(replaced, whole, analyzer)
    if parts is None or depends(parts[1], var) or int(division.b) <= 0:
        return None
    stride, rest = parts
    if stride == -1:  # v // q < rest, so v < rest * q
        return _positive(rest * division.b - division.a, var, analyzer)
    if stride == 1:  # v // q >= 1 - rest, so v >= (1 - rest) * q
        return _positive(division.a - (1 - rest) * division.b + 1, var, analyzer)
    return None


def _floor_divisions(node: Expr) -> list[tirx.FloorDiv]:
    found: list[tirx.FloorDiv] = []
    tvm_ffi.structural_walk(node, [(tirx.FloorDiv, found.append)])
    return found


def later(one: Expr, other: Expr, analyzer: tvm.sym.Analyzer) -> Expr:
    """The larger of two bounds, without a `max` where one is proved to be the larger."""
    if analyzer.can_prove(one >= other):
        return one
    return other if analyzer.can_prove(other >= one) else tirx.Max(one, other)


def earlier(one: Expr, other: Expr, analyzer: tvm.sym.Analyzer) -> Expr:
    """The smaller of two bounds."""
    if analyzer.can_prove(one <= other):
        return one
    return other if analyzer.can_prove(other <= one) else tirx.Min(one, other)


@dataclass(frozen=True)
class Range:
    """`low <= var < high`, which may be empty; `conditions` must hold too and do not need `var`."""

    var: Var
    low: Expr
    high: Expr
    conditions: tuple[Expr, ...] = ()

    def within(self, guards: Sequence[Expr], analyzer: tvm.sym.Analyzer) -> Range | None:
        """The part where `guards` hold too; `None` where that is no interval of `var`."""
        low, high, conditions = self.low, self.high, list(self.conditions)
        for guard in (_freed(each, self.var, analyzer) for each in guards):
            if not depends(guard, self.var):
                conditions.append(guard)
                continue
            found = bounds(guard, self.var, analyzer)
            if found is None:
                return None
            if found.low is not None:
                low = later(low, found.low, analyzer)
            if found.high is not None:
                high = earlier(high, found.high, analyzer)
        return Range(self.var, low, high, tuple(conditions))


def guarded_store(
    loop: tirx.For, analyzer: tvm.sym.Analyzer
) -> tuple[Range, tirx.BufferStore] | None:
    """The range and the store of a loop around one guarded store; `None` for any other body."""
    guards: list[Expr] = []
    body = loop.body
    while isinstance(body, tirx.IfThenElse) and body.else_case is None:
        guards += conjuncts(body.condition)
        body = body.then_case
    if not isinstance(body, tirx.BufferStore) or (loop.step is not None and int(loop.step) != 1):
        return None
    whole = Range(loop.loop_var, loop.min, analyzer.simplify(loop.min + loop.extent))
    found = whole.within(guards, analyzer)
    return None if found is None else (found, body)
