"""From a raised function to the terms of its outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tvm
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from . import terms
from .affine import Affine, Axis, NotAffine, Split
from .leaves import Leaf, leaves_of, size_of
from .terms import Indirect, Node, Read

MOST_NODES = 4000
MOST_SPLITS = 24
MOST_TEXT = 12_000

_BINARY = {
    "Add": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
    "Max": "maximum",
    "Min": "minimum",
    "LT": "less",
    "LE": "less_equal",
    "EQ": "equal",
    "NE": "not_equal",
    "And": "and",
    "Or": "or",
    "FloorDiv": "floor_divide",
    "FloorMod": "floor_mod",
    "Mod": "mod",
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "LeftShift": "left_shift",
    "RightShift": "right_shift",
    "LShift": "left_shift",
    "RShift": "right_shift",
}
_SWAPPED = {"GT": "less", "GE": "less_equal"}
_NEUTRAL = {"+": 0, "*": 1}


class NoTerm(Exception):
    """The function has no closed form here; says what of it has none."""


@dataclass(frozen=True, eq=False)
class Piece:
    """`value` at each `address` that `axes` and `guard` allow, of the output `name`.

    Along `ordered` axes one address may be stored to several times, one after the other; with an
    `op` the value is combined with what is there.
    """

    name: str
    size: int
    axes: tuple[Axis, ...]
    address: Affine
    guard: Node | None
    value: Node
    ordered: tuple[Axis, ...] = ()
    op: str = ""


def pieces_of(func: tirx.PrimFunc) -> tuple[Piece, ...]:
    """What a function stores in its parameters. Raises `NoTerm`."""
    leaves = leaves_of(func)
    if leaves is None:
        raise NoTerm("a block is more than one store, or a size is symbolic")
    splits: dict[Var, Affine] = {}
    for _ in range(MOST_SPLITS):
        builder = _Builder(func, leaves, splits)
        try:
            return builder.pieces()
        except Split as needed:
            builder.split(needed)
    raise NoTerm("axes are divided in too many ways")


class _Builder:
    def __init__(
        self, func: tirx.PrimFunc, leaves: Sequence[Leaf], splits: dict[Var, Affine]
    ) -> None:
        self.params = [param for param in func.params if tirx.is_buffer_var(param)]
        self.leaves = leaves
        self.splits = splits
        self.values: dict[Var, Affine] = {}
        for leaf in leaves:
            for var, extent in leaf.axes:
                if var not in splits:
                    splits[var] = Affine.of(Axis(f"{var.name}.{len(splits)}", extent))
                self.values[var] = splits[var]
        self.made: dict[tuple[int, tuple[str, ...]], Node] = {}
        self.count = 0

    def split(self, needed: Split) -> None:
        axis, at = needed.axis, needed.at
        high, low = Axis(axis.name + "h", axis.extent // at), Axis(axis.name + "l", at)
        digits = {axis: Affine.of(high) * at + Affine.of(low)}
        for var, value in self.splits.items():
            self.splits[var] = value.substitute(digits)

    def pieces(self) -> tuple[Piece, ...]:
        found = []
        for place, leaf in enumerate(self.leaves):
            if not self._is_param(leaf.buffer):
                continue
            axes = {axis: None for var, _ in leaf.spatial for axis in self.values[var].axes}
            values = dict(self.values)
            address = self._address(leaf.buffer, leaf.indices, values, place)
            tests = [self._expr(test, values, place) for test in leaf.guard]
            reduced = {a for var, _ in leaf.reduced for a in self.values[var].axes}
            outer = [test for test in tests if not test.axes & reduced]
            guard = None
            for test in outer:
                guard = test if guard is None else terms.apply("and", [guard, test], "bool")
            value = self._value(leaf, place, values)
            if len(value.key) > MOST_TEXT:
                raise NoTerm("the expressions are too large")
            ordered = tuple(a for var, _ in leaf.ordered for a in self.values[var].axes)
            target = str(leaf.buffer.name), size_of(leaf.buffer)
            op = leaf.op if ordered else ""
            found.append(Piece(*target, tuple(axes), address, guard, value, ordered, op))
        return tuple(found)

    def _is_param(self, buffer: Buffer) -> bool:
        return any(buffer.same_as(param) for param in self.params)

    def _value(self, leaf: Leaf, place: int, values: Mapping[Var, Affine]) -> Node:
        body = self._expr(leaf.value, values, place)
        if not leaf.op or leaf.ordered:
            return body
        over = [axis for var, _ in leaf.reduced for axis in self.values[var].axes]
        for test in leaf.guard:
            condition = self._expr(test, values, place)
            if condition.axes & set(over):
                body = terms.apply(
                    "select", [condition, body, _neutral(leaf.op, body.dtype)], body.dtype
                )
        name = {"+": "sum", "*": "prod"}.get(leaf.op, leaf.op)
        whole = terms.reduce(name, over, body, str(leaf.buffer.name))
        init = self._expr(leaf.init, values, place)
        return terms.apply(_COMBINE[leaf.op], [init, whole], whole.dtype)

    def _expr(self, expr: Expr, values: Mapping[Var, Affine], place: int) -> Node:
        self.count += 1
        node = self._made_of(expr, values, place)
        if self.count > MOST_NODES or node.nodes > MOST_NODES:
            raise NoTerm("the expressions are too large")
        return node

    def _made_of(self, expr: Expr, values: Mapping[Var, Affine], place: int) -> Node:
        dtype = tir.dtype_of(expr)
        if isinstance(expr, tirx.IntImm):
            return terms.const(int(expr.value), dtype)
        if isinstance(expr, tirx.FloatImm):
            return terms.const(float(expr.value), dtype)
        if isinstance(expr, tir.Load):
            return self._load(expr, values, place)
        if isinstance(expr, tirx.Var):
            if expr in values:
                return terms.index(values[expr], dtype)
            return terms.Scalar(dtype, str(expr.name))
        if tir.is_int(expr) and dtype != "bool":
            affine = self._affine(expr, values, place)
            if affine is not None and not any(isinstance(t, Indirect) for t in affine.factors):
                return terms.index(affine, dtype)
        name, args = self._operation(expr)
        return terms.apply(name, [self._expr(arg, values, place) for arg in args], dtype)

    def _operation(self, expr: Expr) -> tuple[str, list[Expr]]:
        kind = type(expr).__name__
        if kind in _BINARY:
            return _BINARY[kind], [expr.a, expr.b]
        if kind in _SWAPPED:
            return _SWAPPED[kind], [expr.b, expr.a]
        if isinstance(expr, tirx.Cast):
            return "cast", [expr.value]
        if isinstance(expr, tirx.Not):
            return "not", [expr.a]
        if isinstance(expr, tirx.Select):
            return "select", [expr.condition, expr.true_value, expr.false_value]
        if isinstance(expr, tvm.ir.Call):
            name = str(getattr(expr.op, "name", expr.op)).rpartition(".")[2]
            return ("select" if name == "if_then_else" else name), list(expr.args)
        raise NoTerm(f"{kind} has no term")

    def _load(self, load: Expr, values: Mapping[Var, Affine], place: int) -> Node:
        writers = [
            number
            for number, leaf in enumerate(self.leaves[:place])
            if leaf.buffer.same_as(load.source)
        ]
        if not writers:
            if not self._is_param(load.source):
                raise NoTerm(f"{load.source.name!r} is read before it is written")
            address = self._address(load.source, list(load.indices), values, place)
            return Read(
                str(load.source.dtype), str(load.source.name), size_of(load.source), address
            )
        if len(writers) > 1:
            raise NoTerm(f"{load.source.name!r} is written in parts")
        return self._inlined(writers[0], load, values, place)

    def _inlined(self, writer: int, load: Expr, values: Mapping[Var, Affine], place: int) -> Node:
        leaf = self.leaves[writer]
        extents = dict(leaf.spatial)
        given: dict[Var, Affine] = {}
        for index, at, extent in zip(leaf.indices, load.indices, load.source.shape, strict=True):
            value = self._affine(at, values, place)
            if value is None:
                raise NoTerm(f"{load.source.name!r} is read at an index that is no sum of axes")
            if isinstance(index, tirx.Var) and extents.get(index) == int(extent):
                given[index] = value
            elif tir.as_const(index) is None or value.factors or value.const != tir.as_const(index):
                raise NoTerm(f"{load.source.name!r} is not stored along its axes")
        if leaf.guard or leaf.ordered or len(given) < len(leaf.spatial):
            raise NoTerm(f"{load.source.name!r} is written in part")
        # What is fixed at first is kept, so that one reduction is one object wherever it is read.
        key = writer, tuple(terms.affine_key(given[var]) for var, _ in leaf.spatial)
        if key not in self.made:
            inner = {**self.values, **given}
            self.made[key] = self._value(leaf, writer, inner)
        return self.made[key]

    def _address(
        self, buffer: Buffer, indices: Sequence[Expr], values: Mapping[Var, Affine], place: int
    ) -> Affine:
        address = Affine()
        for extent, index in zip(buffer.shape, indices, strict=True):
            value = self._affine(index, values, place)
            if value is None:
                value = terms.as_affine(self._expr(index, values, place))
            address = address * int(extent) + value
        return address

    def _affine(self, expr: Expr, values: Mapping[Var, Affine], place: int) -> Affine | None:
        """The value of an integer expression as a sum, or `None`."""
        if isinstance(expr, tirx.IntImm):
            return Affine({}, int(expr.value))
        if isinstance(expr, tirx.Var):
            return values.get(expr)
        if isinstance(expr, tirx.Cast) and tir.is_int(expr.value):
            return self._affine(expr.value, values, place)
        if isinstance(expr, tir.Load):
            return terms.as_affine(self._load(expr, values, place))
        kind = type(expr).__name__
        if kind not in ("Add", "Sub", "Mul", "FloorDiv", "FloorMod", "Div", "Mod"):
            return None
        a, b = self._affine(expr.a, values, place), self._affine(expr.b, values, place)
        if a is None or b is None:
            return None
        if kind in ("Add", "Sub"):
            return a + b if kind == "Add" else a - b
        if kind == "Mul":
            if a.factors and b.factors:
                return None
            return a * b.const if not b.factors else b * a.const
        bounds = a.bounds()
        if b.factors or b.const <= 0 or (kind in ("Div", "Mod") and (not bounds or bounds[0] < 0)):
            return None
        try:
            quotient, remainder = a.divided(b.const)
        except NotAffine:
            return None
        return quotient if kind.endswith("Div") else remainder


_COMBINE = {"+": "add", "*": "multiply", "max": "maximum", "min": "minimum"}


def _neutral(op: str, dtype: str) -> Node:
    if op in _NEUTRAL:
        return terms.const(_NEUTRAL[op], dtype)
    return terms.const(-math.inf if op == "max" else math.inf, dtype)
