"""Flat program -> SBlock TensorIR that `s_tir.Schedule` works on, one pass a file.

    dead         local arrays that no result depends on are dropped
    scalars      local arrays with constant indices become scalars
    updates      consecutive updates of one element become one
    digits       thread ids as warps and lanes, rows and columns
    dataflow     which store does each read see: loops become tensors over axes
    inline       copies, staging and cheap expressions move into their readers
    reductions   trees, partial sums and copies of sums become one reduction
    reroll       vector components and unrolled steps become an axis
    axes         guards, block and thread ids become plain axes
    layout       flat parameters get the shape their accesses speak of
    unroll       short loops are written out, where all this was refused
    blocks       one SBlock a tensor

Where the first pass refuses, the kernel becomes one opaque block over its parallel loops, with
the reason kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tvm
import tvm_ffi

from xpiler_tvm.errors import Span

from ..program import Program
from .axes import canonical_axes
from .blocks import to_blocks, to_opaque
from .dataflow import to_tensors
from .dead import without_dead_stores
from .digits import split_digits
from .inline import inline, pin, refuse_deep, refuse_large, shrink
from .invert import injective
from .reductions import gather_reductions
from .refusal import TooLarge, Unraisable
from .reroll import reroll
from .scalars import scalarise
from .tensors import Graph, knowing
from .unroll import unroll
from .updates import merge_updates

ROUNDS = 24
MEMORY_LIMIT = 1 << 30  # bytes of intermediates


@dataclass(frozen=True, eq=False)
class Raised:
    """`mod["main"]` in SBlock form.

    `rung` is `blocks` or `opaque`; `reason` says why not better, `span` where. `assumptions` are
    what the form rests on beyond the flat program's.
    """

    mod: tvm.IRModule
    rung: str
    reason: str = ""
    span: Span | None = None
    assumptions: tuple[str, ...] = ()


def raise_program(program: Program) -> Raised:
    """The SBlock form of a flat program; never fails, at worst one opaque block."""
    try:
        graph = _tensors(program)
    except Unraisable as refusal:
        try:
            if isinstance(refusal, TooLarge):
                raise
            graph = _tensors(unroll(program))
        except Unraisable:
            return Raised(_module(to_opaque(program)), "opaque", refusal.reason, refusal.span)
    size = sum(_bytes(tensor.buffer) for tensor in graph.tensors)
    if size > MEMORY_LIMIT:
        reason = f"the intermediates would take {size >> 20} MiB"
        return Raised(_module(to_opaque(program)), "opaque", reason)
    mod = _module(to_blocks(program, graph))
    return Raised(mod, "blocks", assumptions=_assumptions(graph))


def _tensors(program: Program) -> Graph:
    """The canonical tensors of a program. Raises `Unraisable`."""
    scalars = scalarise(without_dead_stores(program))
    graph = canonical(to_tensors(split_digits(merge_updates(scalars))))
    refuse_deep(graph)
    _refuse_overlaps(graph)
    return graph


def _assumptions(graph: Graph) -> tuple[str, ...]:
    """What reductions take for granted of floating-point numbers."""
    tensors = (*graph.tensors, *(output.tensor for output in graph.outputs))
    ops = {t.reduction.op for t in tensors if t.reduction and "float" in t.buffer.dtype}
    found = []
    if ops & {"+", "*"}:
        found.append("floating-point sums and products may be reassociated")
    if ops & {"max", "min"}:
        found.append("maxima and minima are over numbers, at least one of them finite")
    return tuple(found)


def _refuse_overlaps(graph: Graph) -> None:
    """Refuses outputs of which one element may be stored twice: their order would matter."""
    for output in graph.outputs:
        axes = list(output.tensor.axes)
        with knowing(axes, output.tensor.guard) as analyzer:
            alone = injective(output.index, axes, analyzer)
        if not alone:
            name = output.param.name
            raise Unraisable(f"an element of {name!r} may be stored twice", output.tensor.span)


def canonical(graph: Graph) -> Graph:
    """The passes over tensors, repeated until none changes anything.

    At first only copies are inlined and axes stay as they are, so that a tree of partial sums is
    still a tree, over the digits of its thread ids, when reductions are looked for.
    """
    for copies_only in (True, False):
        seen: Any = None
        for _ in range(ROUNDS):
            graph = gather_reductions(shrink(pin(inline(graph, copies_only))))
            graph = graph if copies_only else canonical_axes(reroll(graph))
            refuse_large(graph)
            state = _fingerprint(graph)
            if state == seen:
                break
            seen = state
    return graph


def opaque(program: Program) -> tvm.IRModule:
    """The kernel as one opaque block, which every target can run."""
    return _module(to_opaque(program))


def _fingerprint(graph: Graph) -> tuple[Any, ...]:
    shape = [
        (
            tensor.buffer.name,
            tuple(extent for _, extent in tensor.all_axes),
            str(tensor.value),
            len(tensor.guard),
        )
        for tensor in (*graph.tensors, *(output.tensor for output in graph.outputs))
    ]
    return tuple(shape)


def _bytes(buffer: Any) -> int:
    size = tvm_ffi.dtype(buffer.dtype).bits // 8
    for extent in buffer.shape:
        size *= int(extent)
    return size


def _module(function: Any) -> tvm.IRModule:
    return tvm.IRModule({"main": function})


__all__ = ["Raised", "canonical", "opaque", "raise_program"]
