"""How an expression depends on the lane of a vector.

    (64 * ty + 4 * tx + v) % 128   =   (64 * ty + 4 * tx) % 128 + v        for v in 0 .. 3

holds because what is added to `v` is a multiple of 4, and so is 128. TVM's simplifier does not find
such things where several threads make up an index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import tirx


@dataclass(frozen=True)
class Lanes:
    """Expressions in `lane`, which runs from 0 to `count` - 1; the analyzer knows all the rest."""

    lane: tirx.Var
    count: int
    analyzer: tvm.sym.Analyzer

    def split(self, expr: tvm.ir.Expr) -> tuple[tvm.ir.Expr, int] | None:
        """`(base, slope)` with `expr == base + slope * lane` for every lane; None if unknown."""
        if not self.occurs_in(expr):
            return expr, 0
        if expr.same_as(self.lane):
            return tirx.const(0, str(expr.ty.dtype)), 1
        if isinstance(expr, tirx.Add | tirx.Sub):
            return self._sum(expr)
        if isinstance(expr, tirx.Mul) and isinstance(expr.b, tirx.IntImm):
            inside = self.split(expr.a)
            return inside and (inside[0] * expr.b, inside[1] * int(expr.b))
        if isinstance(expr, tirx.FloorMod | tirx.FloorDiv) and isinstance(expr.b, tirx.IntImm):
            return self._division(expr)
        return None

    def _sum(self, expr: tirx.Add | tirx.Sub) -> tuple[tvm.ir.Expr, int] | None:
        left, right = self.split(expr.a), self.split(expr.b)
        if left is None or right is None:
            return None
        if isinstance(expr, tirx.Add):
            return left[0] + right[0], left[1] + right[1]
        return left[0] - right[0], left[1] - right[1]

    def _division(self, expr: tirx.FloorMod | tirx.FloorDiv) -> tuple[tvm.ir.Expr, int] | None:
        """Of what begins at a multiple of `count`: lanes share a quotient, remainders follow."""
        inside, divisor = self.split(expr.a), int(expr.b)
        if inside is None or inside[1] != 1 or divisor <= 0 or divisor % self.count:
            return None
        if not self.is_multiple(inside[0]):
            return None
        if isinstance(expr, tirx.FloorDiv):
            return tirx.floordiv(inside[0], expr.b), 0
        return tirx.floormod(inside[0], expr.b), 1

    def is_multiple(self, base: tvm.ir.Expr) -> bool:
        """Whether a value without lanes is always a multiple of their number."""
        return bool(self.analyzer.can_prove_equal(tirx.floormod(base, self.count), 0))

    def common(self, condition: tvm.ir.Expr) -> tvm.ir.Expr | None:
        """The condition without the lane, where all lanes agree on it."""
        if not self.occurs_in(condition):
            return condition
        if isinstance(condition, tirx.And | tirx.Or):
            left, right = self.common(condition.a), self.common(condition.b)
            return None if left is None or right is None else type(condition)(left, right)
        if isinstance(condition, tirx.LT | tirx.LE | tirx.GT | tirx.GE):
            return self._comparison(condition)
        return None

    def _comparison(self, condition: tvm.ir.Expr) -> tvm.ir.Expr | None:
        left, right = self.split(condition.a), self.split(condition.b)
        if left is None or right is None:
            return None
        if left[1] == right[1]:
            return type(condition)(left[0], right[0])
        # base + lane < bound is base < bound where both are multiples of the number of lanes.
        ends = isinstance(condition, tirx.LT) and (left[1], right[1]) == (1, 0)
        if ends and self.is_multiple(left[0]) and self.is_multiple(right[0]):
            return tirx.LT(left[0], right[0])
        return None

    def occurs_in(self, expr: tvm.ir.Expr) -> bool:
        found: list[tvm.ir.Var] = []
        tvm_ffi.structural_walk(expr, [(tvm.ir.Var, found.append)])
        return any(each.same_as(self.lane) for each in found)


@dataclass(frozen=True)
class VectorCopy:
    """`bytes` from neighbours to neighbours, of which these are the first elements.

    Where there is a `condition` and it does not hold, the target becomes zero.
    """

    target: tirx.Buffer
    target_index: tvm.ir.Expr
    source: tirx.Buffer
    source_index: tvm.ir.Expr
    condition: tvm.ir.Expr | None
    bytes: int


def vector_copy(loop: tirx.For, analyzer: tvm.sym.Analyzer) -> VectorCopy | None:
    """What a loop copies, where all of it can be done at once.

    for v: a[4 * i + v] = x[8 * j + v]   ->   a[4 * i : 4 * i + 4] = x[8 * j : 8 * j + 4]

    Both addresses must be multiples of the vector's size, as the arrays' beginnings are; a value
    may be read under a condition that is the same for all, and be zero where it fails.
    """
    store = loop.body
    lanes = int(loop.extent) if isinstance(loop.extent, tirx.IntImm) else 0
    if not isinstance(store, tirx.BufferStore) or not lanes:
        return None
    value, condition = store.value, None
    over = Lanes(loop.loop_var, lanes, analyzer)
    if isinstance(value, tvm.ir.Call) and value.op.name.endswith("if_then_else"):
        condition, value, other = value.args
        condition = over.common(condition)
        zero = isinstance(other, (tirx.IntImm, tirx.FloatImm)) and float(other.value) == 0
        if not zero or condition is None:
            return None
    if not isinstance(value, tvm.ir.TensorLoad):
        return None
    dtype = str(store.buffer.dtype)
    target, source = (_aligned(indices, over) for indices in (store.indices, value.indices))
    if str(value.source.dtype) != dtype or target is None or source is None:
        return None
    size = lanes * tvm.DataType(dtype).bits // 8
    if condition is not None:
        condition = analyzer.simplify(condition)
    return VectorCopy(store.buffer, target, value.source, source, condition, size)


def _aligned(indices: Sequence[tvm.ir.Expr], over: Lanes) -> tvm.ir.Expr | None:
    """The first index of a vector, where it is a multiple of its length."""
    found = over.split(indices[0]) if len(indices) == 1 else None
    if found is None or found[1] != 1 or not over.is_multiple(found[0]):
        return None
    return over.analyzer.simplify(found[0])
