"""A recurrence with one scalar state, and the tensors that it becomes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from .places import Place
from .tensors import IDENTITY, Axis, Cell, Reduction, Tensor


@dataclass(frozen=True, eq=False)
class Fold:
    """A recurrence with one scalar state, read after its last step."""

    tensor: Tensor
    axes: tuple[Axis, ...]
    state: Cell

    @property
    def own(self) -> Expr:
        return self.state.buffer[tir.const(0, "int32")]

    @property
    def step(self) -> Expr:
        return self.state.value

    @property
    def init(self) -> Expr:
        assert self.state.init is not None
        return self.state.init

    def as_place(self, place: Place) -> list[Tensor]:
        """The place, and the tensor that is read from it."""
        reduced, found = self.reduction(place.op, place.value, place.axes)
        if place.start is not None:
            found = tirx.if_then_else(tirx.NE(found, place.none), found, place.start)
        return [reduced, self.final(found)]

    def reduction(
        self, op: str, term: Expr, axes: tuple[Axis, ...], dtype: str = ""
    ) -> tuple[Tensor, Expr]:
        """A reduction at the points of the tensor, and its element."""
        tensor = self.tensor
        shape = [extent for _, extent in tensor.axes] or [1]
        dtype = dtype or self.state.buffer.dtype
        buffer = tirx.decl_buffer(shape, dtype, self.state.buffer.name)
        reduction = Reduction(op, axes, IDENTITY[op](dtype))
        point = tuple(var for var, _ in tensor.axes) or (tir.const(0, "int32"),)
        made = Tensor(buffer, tensor.axes, term, reduction, tensor.guard, tensor.span)
        return made, buffer[point]

    def final(self, last: Expr) -> Tensor:
        """The tensor with the state as the last step left it."""
        value = tir.map_loads(
            self.tensor.value, lambda load: last if tir.same(load, self.own) else load
        )
        return replace(self.tensor, value=value, recurrence=None)
