"""What a region leaves in an output is stored there by the block that holds the region.

s[i] = { … };  y[i] = s[i]     ->     y[i] = { … }
"""

from __future__ import annotations

from dataclasses import replace

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer

from .tensors import Graph, Output, Tensor, parts, rewritten


def store_runs(graph: Graph) -> Graph:
    """The graph without tensors of regions that one output alone reads, in full.

    One that reads a parameter which is stored to stays where it is: before all stores.
    """
    readers = graph.readers()
    written = {output.param for output in graph.outputs}
    regions = {
        tensor.buffer: tensor
        for tensor in graph.tensors
        if tensor.recurrence is not None
        and tensor.recurrence.body
        and readers.get(tensor.buffer) == 1
        and not written & {load.source for expr in parts(tensor) for load in tir.loads(expr)}
    }
    outputs = tuple(_with_region(output, regions) for output in graph.outputs)
    return replace(graph, outputs=outputs).live()


def _with_region(output: Output, regions: dict[Buffer, Tensor]) -> Output:
    tensor = output.tensor
    if not tensor.plain or not isinstance(tensor.value, tir.Load):
        return output
    region = regions.get(tensor.value.source)
    if region is None or region.recurrence is None:
        return output
    names = dict(zip((var for var, _ in region.axes), tensor.value.indices, strict=False))
    axes = tuple((names[var], extent) for var, extent in region.axes)
    if len(axes) != len(tensor.axes) or set(axes) != set(tensor.axes):
        return output
    moved = rewritten(region, lambda expr, _: tir.substitute(expr, names))
    assert moved.recurrence is not None
    inner = region.recurrence.elements  # some of which nobody may ask for
    elements = tuple((names[var], extent) for var, extent in inner if var in names)
    recurrence = replace(moved.recurrence, elements=elements)
    guard = (*moved.guard, *tensor.guard)
    return replace(output, tensor=replace(moved, axes=axes, guard=guard, recurrence=recurrence))
