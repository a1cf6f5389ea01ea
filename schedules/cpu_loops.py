"""Orders of loops that LLVM vectorises: sums by lanes, innermost what runs along memory."""

from __future__ import annotations

import math
from collections.abc import Collection
from contextlib import suppress

import tvm
from tvm import s_tir

from xpiler_tvm import tir

from .analysis import Axis, Stage, collect, mentions, stages
from .borders import CHOICE
from .cpu_limits import CpuLimits
from .knobs import knob


def reduce_by_lanes(
    sch: s_tir.Schedule,
    limits: CpuLimits,
    names: Collection[str] | None = None,
    scope: str = "global",
) -> None:
    """Split each reduction along memory into one partial result a lane, and their combination.

        for k: S += A[k]   ->   for k0: for l: s[l] += A[k0 * lanes + l];   for l: S += s[l]

    Several vectors of partial results hide how long an addition takes; these are then combined in
    the same way, by fewer lanes each time. With `names` the stages of these alone. The partial
    results are in memory `scope`.
    """
    found = [
        (stage, along)
        for stage in stages(sch)
        if (names is None or stage.name in names) and (along := _reduction_along_memory(stage))
    ]
    for stage, along in found:
        lanes = limits.lanes(str(stage.block.writes[0].source.dtype))
        position, extent = along.position, along.extent
        # To combine many takes its time, too, which the only pass over memory hides.
        usual = 8 if len(found) == 1 and extent >= 8 * 8 * lanes else 4
        vectors = knob(f"{stage.name}: vectors of partial results", usual, (1, 2, 4, 8))
        for most, least in ((vectors * lanes, 8), (lanes, 2), (lanes // 4, 2)):
            width = math.gcd(extent, most)
            if width < 4 or extent < least * width:
                continue
            with suppress(s_tir.ScheduleError):  # one that TVM does not know how to combine
                loop = sch.get_loops(stage.rv)[position]
                _, lane = sch.split(loop, [None, width])
                partial = sch.rfactor(lane, len(stage.block.writes[0].region))
                sch.set_scope(partial, 0, scope)
                final = next(each for each in stages(sch) if each.name == stage.name)
                reduced = [axis for axis in final.axes if axis.kind == "R"]
                position, extent = reduced[-1].position, width


def _reduction_along_memory(stage: Stage) -> Axis | None:
    """The summed axis that runs along the memory of an operand, where no spatial axis does."""
    if not stage.is_reduction:
        return None
    along = []
    for load in collect(stage.block.body, tvm.ir.TensorLoad):
        axes = [_axis_of(stage, index) for index in load.indices]
        if axes and axes[-1] and any(axis and axis.kind == "R" for axis in axes):
            along.append(axes[-1])
    if any(axis.kind == "S" for axis in along):
        return None
    return next((axis for axis in along if axis.kind == "R"), None)


def _axis_of(stage: Stage, index: tvm.ir.Expr) -> Axis | None:
    """The axis that an index simply is, if any."""
    plain = (axis for axis in stage.axes if axis.iterator is not None)
    return next((axis for axis in plain if index.same_as(axis.iterator)), None)


def order_loops(sch: s_tir.Schedule, stage: Stage, placed: int, vector: int = 0) -> None:
    """Below the first `placed` loops: spatial, then summed, then the one along memory.

    The last one is cut into vectors of `vector` elements, where it runs along all that it touches:
    LLVM does so itself, unless it cannot tell that arrays are apart. The start value of a reduction
    is set before its summed loops. Opaque stages stay as they are.
    """
    inner = stage.axes[placed:]
    if stage.is_opaque or any(axis.kind == "O" for axis in inner):
        return
    written = stage.block.writes[0].region
    along = [
        axis
        for axis in inner
        if axis.kind == "S" and written and any(mentions(written[-1].min, v) for v in axis.feeds)
    ][-1:]
    spatial = [axis for axis in inner if axis.kind == "S" and axis not in along]
    summed = [axis for axis in inner if axis.kind == "R"]
    order = [*spatial, *summed, *along]
    loops = sch.get_loops(stage.rv)
    if len(order) > 1:
        sch.reorder(*(loops[axis.position] for axis in order))
    if along and vector and is_contiguous(stage, along[0]):
        lanes = vector
        while along[0].extent % lanes:
            lanes //= 2
        if lanes >= 4:
            _, lane = sch.split(loops[along[0].position], [None, lanes])
            sch.vectorize(lane)
    if stage.is_reduction and summed:
        sch.decompose_reduction(stage.rv, loops[summed[0].position])


def is_contiguous(stage: Stage, axis: Axis, stride: int = 1, conditional: bool = False) -> bool:
    """Whether what a stage touches lies along an axis, or stands still as it runs.

    In steps of at most `stride` elements. What happens under conditions does not, unless the axis
    has no part in these and values may be `conditional`.
    """
    calls = collect(stage.block.body, tvm.ir.Call)
    apart = [call for call in calls if getattr(call.op, "name", "") in _BY_LOOPS]
    if conditional and axis.iterator is not None:
        apart = [
            call
            for call in apart
            if call.op.name != CHOICE or mentions(call.args[0], axis.iterator)
        ]
    if tir.as_const(stage.guard) != 1 or apart:
        return False
    if axis.iterator is None:
        return True
    iterator, simplify = axis.iterator, tvm.sym.Analyzer().simplify
    loads = collect(stage.block.body, tvm.ir.TensorLoad)
    places = [load.indices for load in loads] + [[r.min for r in stage.block.writes[0].region]]
    moving = [place for place in places if any(mentions(index, iterator) for index in place)]
    return not any(
        any(mentions(index, iterator) for index in outer)
        or all(
            mentions(simplify(last - step * iterator), iterator) for step in range(1, stride + 1)
        )
        for *outer, last in moving
    )


_BY_LOOPS = (CHOICE, "tirx.sin", "tirx.cos")
"""Calls that become vectors better from a loop than one by one."""
