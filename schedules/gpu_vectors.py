"""Vectors on GPUs: which loops move neighbours, and how a thread moves several of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import s_tir
from tvm.s_tir.schedule import LoopRV, SBlockRV

from .analysis import Axis, Stage, is_parameter, mentions, plain_axis
from .steps import fused

VECTOR_BYTES = 16
"""The most that one thread reads or writes in one instruction."""


def runs_in_memory(stage: Stage, region: tvm.ir.TensorRegion, along: Axis) -> bool:
    """Whether steps along an axis are steps to the next element of an array, and nothing else."""
    *outer, last = region.region
    return plain_axis(stage, last) is along and not any(
        mentions(index.min, iterator) for index in outer for iterator in along.feeds
    )


def lanes_for(stage: Stage, regions: Sequence[tvm.ir.TensorRegion], along: Axis) -> int:
    """Elements in a vector along an axis: 1 unless all that run along it fill whole vectors."""
    sizes = [
        tvm.DataType(str(region.source.dtype)).bits // 8
        for region in regions
        if len(region.region) and runs_in_memory(stage, region, along)
    ]
    if not sizes or min(sizes) < 1:
        return 1
    lanes = VECTOR_BYTES // max(sizes)
    while lanes > 1 and along.extent % lanes:
        lanes //= 2
    # The least that moves as one are four bytes.
    return lanes if lanes * min(sizes) >= 4 else 1


def move_as_vectors(
    sch: s_tir.Schedule, stage: Stage, along: Axis, thread: LoopRV, lane: LoopRV
) -> None:
    """Let a thread read and write a stage's elements `lane` as vectors, by way of registers.

    for v: O[4 * t + v] = f(A[4 * t + v])   ->   A_local[0:4] = A[4 * t : 4 * t + 4]
                                                 for v: O_local[v] = f(A_local[v])
                                                 O[4 * t : 4 * t + 4] = O_local[0:4]
    """
    reads, writes = stage.block.reads, stage.block.writes
    for place, region in enumerate(reads):
        if len(region.region) and runs_in_memory(stage, region, along):
            copy = sch.cache_read(stage.rv, place, "local")
            sch.compute_at(copy, thread, preserve_unit_loops=True)
            sch.vectorize(sch.get_loops(copy)[-1])
    if is_parameter(sch, writes[0].source):
        copy = sch.cache_write(stage.rv, 0, "local")
        sch.reverse_compute_at(copy, thread, preserve_unit_loops=True)
        sch.vectorize(sch.get_loops(copy)[-1])
    sch.unroll(lane)


def fetch_together(
    sch: s_tir.Schedule,
    copy: SBlockRV,
    loops: Sequence[LoopRV],
    threads: Sequence[tuple[str, int]],
    lanes: int,
) -> None:
    """Share out a copy to fast memory among threads, each of which moves `lanes` elements."""
    extents = [extent for _, extent in threads]
    vector = [lanes] if lanes > 1 else []
    parts = sch.split(fused(sch, copy, loops), [None, *extents, *vector])
    for loop, (axis, _) in zip(parts[1:], threads, strict=False):
        sch.bind(loop, axis)
    if lanes > 1:
        sch.vectorize(parts[-1])
