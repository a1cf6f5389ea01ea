"""What the iteration before left, read in so many words, is what the loop carries.

    t >= 1 ? k[t - 1] : a      ->      k(t - 1),      where k starts from a

A test that stands between two stores may ask for both of what they left before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from .tensors import Axis, Tensor, is_choice, knowing, rewritten, simplified


class Element(Protocol):
    """What an element holds at the start of each iteration: `first`, or what the one before left,
    which is `later` of it."""

    buffer: Buffer
    axis: Axis
    first: Expr | None
    later: Expr | None

    @property
    def axes(self) -> tuple[Axis, ...]: ...


def with_carried(tensor: Tensor, elements: Sequence[Element]) -> Tensor:
    """A tensor that reads elements where it read them from the iteration before."""

    def change(expr: Expr, reader: Tensor) -> Expr:
        def at(node: Expr) -> Expr:
            if not is_choice(node):
                return node
            for element in elements:
                found = _Choice(node, reader).as_read_of(element)
                if found is not None:
                    return found
            return node

        return tvm_ffi.structural_map(expr, (tvm.ir.Call, at), order="post")

    return rewritten(tensor, change)


@dataclass(frozen=True, eq=False)
class _Choice:
    node: Expr
    reader: Tensor

    def as_read_of(self, element: Element) -> Expr | None:
        """The read of an element that the choice is, if it is one."""
        later, first = element.later, element.first
        if later is None or first is None or not isinstance(later, tir.Load):
            return None
        step = element.axis[0]
        left = [load for load in tir.loads(self.node) if load.source.same_as(later.source)]
        if len(left) != 1 or dict(self.reader.all_axes).get(step) is None:
            return None
        point: dict[Var, Expr] = {}
        for name, index in zip(later.indices, left[0].indices, strict=True):
            if not isinstance(name, tirx.Var):
                return None
            point[name] = step if name.same_as(step) else index
        if set(point) != {var for var, _ in element.axes}:
            return None
        before = {step: step - 1}
        if not self._is(tir.substitute(first, point), tirx.EQ(step, 0)):
            return None
        if not self._is(tir.substitute(tir.substitute(later, point), before), step >= 1):
            return None
        return element.buffer[tuple(point[var] for var, _ in element.axes)]

    def _is(self, wanted: Expr, test: Expr) -> bool:
        """Whether the choice is an expression where a test holds."""
        with knowing(self.reader.all_axes, (*self.reader.guard, test)) as analyzer:
            return tir.same(simplified(analyzer, self.node), simplified(analyzer, wanted))
