"""One program with sizes out of programs at several points, which differ in numbers alone.

    for i, j in grid(2111, 2473): …           for i, j in grid(m, n): …
    for i, j in grid(2287, 2677): …     ->

Each number that is not the same at all points becomes an expression in the sizes that is right at
all of them (`fitting.py`). Programs of different form are refused. What the result does at other
points has to be tried: nothing here proves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.extents import value_of
from xpiler_tvm.tir import Expr, Var

from .fitting import Fitting, Point


class Unlike(Exception):
    """Programs that have no common form; the message says why."""


@dataclass(frozen=True, eq=False)
class General:
    """`func` over the variables of the sizes.

    `numbers` are the expressions of its numbers in the order of a walk, and `form` is the program
    without them.
    """

    func: Any
    numbers: tuple[str, ...]
    form: Any

    def agrees(self, func: Any, point: Point) -> bool:
        """Whether a program at a point is this one."""
        found = _numbers(func)
        if len(found) != len(self.numbers):
            return False
        wanted = [value_of(_extent(text), point) for text in self.numbers]
        if wanted != [int(node.value) for node in found]:
            return False
        fixed = [not text.lstrip("-").isdigit() for text in self.numbers]
        return bool(tvm_ffi.structural_equal(_without(func, found, fixed), self.form))


def generalise(
    funcs: Sequence[Any],
    points: Sequence[Point],
    sizes: Mapping[str, Var],
    divisors: Sequence[int],
    known: Sequence[str] = (),
) -> General:
    """The function that is `funcs[i]` at `points[i]`; the rest is `Fitting`'s. Raises `Unlike`."""
    found = [_numbers(func) for func in funcs]
    if len({len(nodes) for nodes in found}) > 1:
        raise Unlike("its form is not the same at all sizes")
    fitting = Fitting(points, divisors, known)
    texts: list[str] = []
    for nodes in zip(*found, strict=True):
        values = [int(node.value) for node in nodes]
        text = fitting.expression(values)
        if text is None:
            raise Unlike(f"{values} at {list(map(dict, points))} is no expression in the sizes")
        texts.append(text)
    varied = [not text.lstrip("-").isdigit() for text in texts]
    forms = [_without(func, nodes, varied) for func, nodes in zip(funcs, found, strict=True)]
    if not all(tvm_ffi.structural_equal(forms[0], form) for form in forms[1:]):
        raise Unlike("its form is not the same at all sizes")
    put: dict[int, Expr] = {}
    for node, text in zip(found[0], texts, strict=True):
        extent = _extent(text)
        value = node if isinstance(extent, int) else tir.as_expr(value_of(extent, sizes))
        if tir.dtype_of(value) != tir.dtype_of(node):
            value = tirx.Cast(tir.dtype_of(node), value)
        key = _key(node)
        if key in put and not tir.same(put[key], value):
            raise Unlike("one number stands for two sizes")
        put[key] = value
    func = _with(funcs[0], put)
    return General(func, tuple(texts), forms[0])


def form_of(func: Any) -> int:
    """A number that is the same for functions which differ in integers alone."""
    nodes = _numbers(func)
    blank = _without(func, nodes, [True] * len(nodes))
    return hash((len(nodes), tvm_ffi.structural_hash(blank)))


def _extent(text: str) -> Any:
    return int(text) if text.lstrip("-").isdigit() else text


def _numbers(func: Any) -> list[Expr]:
    """The integers of a function, in the order of a walk."""
    found: list[Expr] = []
    tvm_ffi.structural_walk(func, [(tirx.IntImm, found.append)], order="pre")
    return found


def _without(func: Any, nodes: Sequence[Expr], varied: Sequence[bool]) -> Any:
    """The function with zero in place of the numbers that vary."""
    zeros = {
        _key(node): tirx.IntImm(tir.dtype_of(node), 0)
        for node, here in zip(nodes, varied, strict=True)
        if here
    }
    return _with(func, zeros)


def _with(func: Any, put: Mapping[int, Expr]) -> Any:
    return tvm_ffi.structural_map(func, (tirx.IntImm, lambda node: put.get(_key(node), node)))


def _key(node: Expr) -> int:
    """What tells a node from all others while it lives."""
    return int(node.__chandle__())
