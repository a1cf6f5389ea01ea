"""All points of some loops at once, as numpy arrays: what is small can be counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.frontends.raising.tensors import is_choice
from xpiler_tvm.frontends.values import range_of
from xpiler_tvm.tir import Expr, Var

from .accesses import Around
from .obligation import OTHER, Values

MOST = 1 << 20
"""Points that are worth counting."""

Axis = tuple[Var, int]


class Uncountable(Exception):
    """An expression has no value here: it has variables that are no axes, or too many points."""


class Points:
    """The points of axes, of which an expression has an array of values each."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        self.shape = tuple(extent for _, extent in axes)
        if math.prod(self.shape) > MOST:
            raise Uncountable
        grid = np.ogrid[tuple(slice(0, extent) for extent in self.shape)] if axes else []
        self.places: Mapping[Var, Any] = {
            var: place.astype(np.int64) for (var, _), place in zip(axes, grid, strict=True)
        }

    def at(self, position: int) -> Values:
        """The axes' values at a point of the flat arrays, by name."""
        place = np.unravel_index(position, self.shape)
        names = (str(var.name) for var in self.places)
        return tuple(zip(names, map(int, place), strict=True))

    def all(self, expr: Expr) -> np.ndarray:
        """The values of an expression at all points, flat. Raises `Uncountable`."""
        return np.broadcast_to(self.values(expr), self.shape).reshape(-1)

    def taken(self, around: Around) -> np.ndarray:
        """The numbers of the points at which control comes to a place. Raises `Uncountable`."""
        happens = np.ones(self.shape, bool)
        for var, extent in around.loops:
            if var in self.places:
                happens = happens & (self.values(var) < self.values(extent))
        for test in around.tests:
            happens = happens & self.values(test)
        return np.flatnonzero(happens.reshape(-1))

    def values(self, expr: Expr) -> Any:
        """The values of an expression, of a shape that broadcasts. Raises `Uncountable`."""
        value = tir.as_const(expr)
        if value is not None:
            if value >= 1 << 63:
                raise Uncountable
            return np.int64(value) if tir.dtype_of(expr) != "bool" else np.bool_(value)
        if isinstance(expr, tirx.Var):
            if expr not in self.places:
                raise Uncountable
            return self.places[expr]
        make = _BINARY.get(type(expr))
        if make is not None and tir.is_int(expr.a):
            return make(self.values(expr.a), self.values(expr.b))
        if isinstance(expr, (tirx.FloorDiv, tirx.FloorMod, tirx.Div, tirx.Mod)):
            return _divided(type(expr), self.values(expr.a), self.values(expr.b))
        if isinstance(expr, tirx.Not):
            return np.logical_not(self.values(expr.a))
        if isinstance(expr, tirx.Select):
            return self._chosen(expr.condition, expr.true_value, expr.false_value)
        if is_choice(expr):
            return self._chosen(*expr.args)
        if isinstance(expr, tirx.Cast) and tir.is_int(expr.value):
            return _wrapped(self.values(expr.value), tir.dtype_of(expr))
        if isinstance(expr, tirx.LShift):
            shifted = np.left_shift(self.values(expr.a), self.values(expr.b))
            return _wrapped(shifted, tir.dtype_of(expr))
        raise Uncountable

    def _chosen(self, test: Expr, yes: Expr, no: Expr) -> Any:
        return np.where(self.values(test), self.values(yes), self.values(no))


def _wrapped(value: Any, dtype: str) -> Any:
    """Values as a type has them. Unsigned ones of 64 bits have no place here."""
    low, high = range_of(dtype)
    value = np.asarray(value).astype(np.int64)
    if ((value >= low) & (value <= high)).all():
        return value
    if high >= (1 << 63) - 1:
        raise Uncountable
    return (value - low) % (high - low + 1) + low


def _divided(kind: type, a: Any, b: Any) -> Any:
    if kind not in (tirx.FloorDiv, tirx.FloorMod, tirx.Div, tirx.Mod) or not np.all(b):
        raise Uncountable
    if kind is tirx.FloorDiv:
        return a // b
    if kind is tirx.FloorMod:
        return a % b
    size = np.abs(a) // np.abs(b)
    quotient = np.where((a < 0) == (b < 0), size, -size)
    return quotient if kind is tirx.Div else a - b * quotient


_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    tirx.Add: np.add,
    tirx.Sub: np.subtract,
    tirx.Mul: np.multiply,
    tirx.Min: np.minimum,
    tirx.Max: np.maximum,
    tirx.LT: np.less,
    tirx.LE: np.less_equal,
    tirx.GT: np.greater,
    tirx.GE: np.greater_equal,
    tirx.EQ: np.equal,
    tirx.NE: np.not_equal,
    tirx.And: np.logical_and,
    tirx.Or: np.logical_or,
    tirx.BitwiseAnd: np.bitwise_and,
    tirx.BitwiseOr: np.bitwise_or,
    tirx.BitwiseXor: np.bitwise_xor,
    tirx.RShift: np.right_shift,
}


@dataclass(frozen=True, eq=False)
class Visits:
    """Points that control comes to: the `key` that two visitors have in common when they meet, and
    the `owner` of each."""

    points: Points
    taken: np.ndarray
    key: np.ndarray
    owner: np.ndarray

    def meets(self, other: Visits) -> Values | None:
        """The variables of two owners that meet; `None` where none do."""
        order = np.lexsort((other.owner, other.key))
        key, owner = other.key[order], other.owner[order]
        start = np.searchsorted(key, self.key, "left")
        end = np.searchsorted(key, self.key, "right") - 1
        there = start <= end
        for side in (start, end):
            place = np.where(there, side, 0)
            differ = there & (owner[place] != self.owner) if len(owner) else there
            if differ.any():
                mine = int(np.argmax(differ))
                his = int(order[place[mine]])
                theirs = other.points.at(int(other.taken[his]))
                return (
                    *self.points.at(int(self.taken[mine])),
                    *((name + OTHER, value) for name, value in theirs),
                )
        return None


def happening(
    around: Around, exprs: Sequence[Expr], most: Callable[[Var], int]
) -> tuple[Points, np.ndarray]:
    """The points of all variables of a place and of `exprs`, and the numbers of those at which
    control comes to the place. Raises `Uncountable`."""
    used = [*exprs, *around.tests, *(extent for _, extent in around.loops)]
    names = dict.fromkeys(var for expr in used for var in tir.variables(expr))
    points = Points([(var, most(var)) for var in names])
    return points, points.taken(around)


__all__ = ["Axis", "Points", "Uncountable", "Visits", "happening"]
