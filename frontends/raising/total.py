"""Intermediates with an element at each point of their axes.

    t[i, j] = a[16*i + j] where 16*i + j < 45    ->    t[i, j] = 16*i + j < 45 ? a[16*i + j] : 0

Elements beyond a guard are not read, so that any number will do. TVM takes a block with a guard
over several axes for one that does not cover what it writes, and refuses to place others beside it.
"""

from __future__ import annotations

from dataclasses import replace

from tvm import tirx

from xpiler_tvm import tir

from .tensors import IDENTITY, Graph, Tensor


def without_guards(graph: Graph) -> Graph:
    """The graph with the guards of intermediates as choices of their values."""
    return replace(graph, tensors=tuple(map(_total, graph.tensors)))


def _total(tensor: Tensor) -> Tensor:
    if not tensor.guard or tensor.recurrence is not None:
        return tensor
    dtype = tensor.buffer.dtype
    beyond = IDENTITY[tensor.reduction.op](dtype) if tensor.reduction else tir.const(0, dtype)
    value = tirx.if_then_else(tir.conjunction(tensor.guard), tensor.value, beyond)
    return replace(tensor, value=value, guard=())
