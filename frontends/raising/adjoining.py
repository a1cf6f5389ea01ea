"""Outputs side by side along an axis, as one output over both.

    y[i] = a[i], i < 7;  y[i + 7] = b[i], i < 5    ->    y[i] = i < 7 ? a[i] : b[i - 7],  i < 12

    y[2*i] = a[i];  y[2*i + 1] = b[i]              ->    y[2*i + j] = j < 1 ? a[i] : b[i],  j < 2

Concatenations, parts of a number or a pixel, and the ends of a row that a kernel treats apart, are
then one block, as when each thread asks for what it makes. A reduction that is a part of such an
output becomes an intermediate of its own.
"""

from __future__ import annotations

from dataclasses import replace

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from .tensors import Axis, Graph, Output, Tensor, is_choice, knowing, reads_elsewhere, simplified

MOST_PARTS = 4  # of one output: each is a test for those after it


def join_adjoining(graph: Graph) -> Graph:
    """The graph with such outputs joined, where nothing is stored between the two."""
    done: list[Output] = []
    staged: list[Tensor] = []
    for output in graph.outputs:
        (first, its), (second, other) = map(_read, (done[-1] if done else output, output))
        joined = _joined(first, second) if done else None
        if joined is None:
            done.append(output)
        else:
            done[-1] = joined
            staged += [*its, *other]
    return Graph((*graph.tensors, *staged), tuple(done))


def _read(output: Output) -> tuple[Output, list[Tensor]]:
    """The output as a copy of a tensor, where it is a reduction, and that tensor."""
    tensor = output.tensor
    if tensor.reduction is None:
        return output, []
    shape = [extent for _, extent in tensor.axes] or [1]
    buffer = tirx.decl_buffer(shape, tensor.buffer.dtype, tensor.buffer.name)
    value = buffer[tuple(var for var, _ in tensor.axes) or (tir.const(0, "int32"),)]
    copy = replace(tensor, value=value, reduction=None)
    return replace(output, tensor=copy), [replace(tensor, buffer=buffer)]


def _joined(first: Output, second: Output) -> Output | None:
    if not first.param.same_as(second.param):
        return None
    for output in (first, second):
        if not output.tensor.plain or output.tensor.guard or tir.has_load(output.index):
            return None
        if reads_elsewhere(output):
            return None
    if _parts(first.tensor.value) + _parts(second.tensor.value) > MOST_PARTS:
        return None
    most = max(len(first.tensor.axes), len(second.tensor.axes))
    for low, high in ((first, second), (second, first)):
        for position in range(most):
            found = _along(low, high, most, position)
            if found is not None:
                return found
    # Else along an axis that neither has.
    return _along(first, second, most + 1, most) or _along(second, first, most + 1, most)


def _parts(value: Expr) -> int:
    """Between how many values an expression chooses, one after the other."""
    return 1 + _parts(value.args[2]) if is_choice(value) else 1


def _along(low: Output, high: Output, rank: int, position: int) -> Output | None:
    """The two as one where `high` goes on where `low` ends, along an axis of `rank`."""
    axes, others = (_axes(output.tensor, rank, position) for output in (low, high))
    if axes is None or others is None or not _differ_only(axes, others, position):
        return None
    var, length = axes[position]
    whole = [*axes]
    whole[position] = (var, length + others[position][1])
    moved: dict[Var, Expr] = {
        theirs: mine for (theirs, _), (mine, _) in zip(others, axes, strict=True)
    }
    moved[others[position][0]] = var - length
    high_index = tir.substitute(high.index, moved)
    with knowing(whole) as analyzer:
        index = low.index
        if not tir.uses(index, [var]):
            index = high_index
        if not tir.uses(index, [var]):
            step = tir.as_const(analyzer.simplify(high_index - low.index))
            if step is None or step < 1:
                return None
            index = low.index + var * step
        for part, start, extent in (
            (low.index, 0, length),
            (high_index, length, others[position][1]),
        ):
            at = {var: tir.const(start, "int32")} if extent == 1 else {}
            gap = tir.substitute(index, at) - tir.substitute(part, at)
            if tir.as_const(analyzer.simplify(gap)) != 0:
                return None
        value = tir.substitute(high.tensor.value, moved)
        value = simplified(analyzer, tirx.if_then_else(var < length, low.tensor.value, value))
        index = analyzer.simplify(index)
    tensor = replace(low.tensor, axes=tuple(whole), value=value)
    return Output(low.param, index, tensor)


def _axes(tensor: Tensor, rank: int, position: int) -> list[Axis] | None:
    """The axes, with one of a single step for what a part of a single element has none for."""
    if len(tensor.axes) == rank:
        return list(tensor.axes)
    if len(tensor.axes) + 1 < rank:
        return None
    fresh = (tirx.Var("i", "int32"), 1)
    return [*tensor.axes[:position], fresh, *tensor.axes[position:]]


def _differ_only(axes: list[Axis], others: list[Axis], position: int) -> bool:
    return all(
        mine == theirs
        for place, ((_, mine), (_, theirs)) in enumerate(zip(axes, others, strict=True))
        if place != position
    )
