"""Schedules for CPUs with AVX-512: parallel outer loops, vector inner loops, packed tiles.

| rule | program | how |
|---|---|---|
| `cpu.transpose` | reads across what it writes | tile by tile |
| `cpu.vnni` | a product of uint8 and int8 summed in int32 | `vpdpbusd` on packed tiles |
| `cpu.matmul` | any other sum of products | packed tiles, results in registers |
| `cpu.rows` | stages that share axes | all stages of a row together, rows in parallel |
| `cpu.stages` | anything | each stage by itself |

Most inner loops are left to LLVM, which vectorises what runs along memory; a schedule's task is to
bring the loops into that order.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import tvm
from tvm import s_tir
from tvm.s_tir.schedule import LoopRV, SBlockRV

from . import intrinsics
from .analysis import (
    Axis,
    Stage,
    crossing,
    mentions,
    plain_axis,
    runs_along,
    shared_axes,
    stages,
)
from .base import Declined, Rule, fresh
from .matmul import find_contraction, normalize
from .steps import fused, inline_around, inline_injective, one_loop

WORTH_THREADS = 1 << 15
"""Steps of work from which on waking other threads costs less than it brings."""


@dataclass(frozen=True)
class CpuLimits:
    """The machine's shape: bytes of a vector register."""

    vector_bytes: int = 64

    def lanes(self, dtype: str) -> int:
        return max(1, self.vector_bytes * 8 // tvm.DataType(dtype).bits)


def rules(limits: CpuLimits) -> tuple[Rule, ...]:
    """The rules in the order in which they are tried."""
    return (Transpose(), VnniMatmul(), Matmul(limits), Rows(limits), Stages(limits))


# -- Matrix products ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Matmul:
    """One sum of products: B in panels of `nr` columns, A in panels of `mr` rows, C in registers.

    pack B[K, N] as [N / nr][K][nr]
    for i0 (parallel): pack A[i0 : i0 + panels * mr, K] as [panels][K][mr]
        for j (nr columns): for i1 (mr rows): for k: C_local[mr, nr] += A[k, mr] * B[k, nr]
    """

    limits: CpuLimits
    panels: int = 8
    name: str = "cpu.matmul"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        found = find_contraction(sch)
        if isinstance(found, Declined):
            return found
        batch, rows, columns, depth = found.extents()
        lanes = self.limits.lanes(str(found.stage.block.writes[0].source.dtype))
        if rows < 2 or columns < lanes or depth < 4:
            return Declined(f"{rows} x {columns} x {depth} is too thin for tiles")
        mr = 6 if rows >= 96 else min(4, rows)
        nr = lanes * min(4, -(-columns // lanes))
        panels = _panels(rows, mr, self.panels)

        # Step 1. C[b, i, j] += A[b, i, k] * B[b, k, j] with padded sizes, operands packed.
        main = normalize(sch, found)
        sch.pad_einsum(main, [1, mr * panels, nr, 1])
        packed_left, packed_right = (sch.cache_read(main, place, "global") for place in (0, 1))
        sch.transform_layout(main, ("read", 0), lambda b, i, k: (b, i // mr, k, i % mr))
        sch.transform_layout(main, ("read", 1), lambda b, k, j: (b, j // nr, k, j % nr))

        # Step 2. Tiles: mr x nr results at a time stay in registers while k runs.
        b, i, j, k = sch.get_loops(main)
        block, panel, own_i = sch.split(i, [None, panels, mr])
        tile, own_j = sch.split(j, [None, nr])
        steps, step = sch.split(k, [None, 2 if depth % 2 == 0 else 1])
        sch.reorder(b, block, tile, panel, steps, step, own_i, own_j)
        outer = sch.fuse(b, block)
        parallel = batch * rows * columns * depth >= WORTH_THREADS
        sch.unroll(step)
        sch.unroll(own_i)
        sch.vectorize(own_j)
        start = _finish_tiles(
            sch, (main, packed_left, packed_right), (outer, panel, steps), parallel
        )
        sch.vectorize(sch.get_loops(start)[-1])
        inline_around(sch, keep=(packed_left, packed_right))
        return sch


@dataclass(frozen=True)
class VnniMatmul:
    """uint8 times int8 summed in int32, four products to an instruction.

    B is packed as [j / 16][k / 4][16][4], so that one vector holds four steps of sixteen columns;
    `vpdpbusd` multiplies it with four neighbouring elements of a row of A and adds to C.
    """

    panels: int = 8
    name: str = "cpu.vnni"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        found = find_contraction(sch)
        if isinstance(found, Declined):
            return found
        reads = found.stage.block.reads
        dtypes = [str(reads[place].source.dtype) for place in (found.left, found.right)]
        if [*dtypes, str(found.stage.block.writes[0].source.dtype)] != ["uint8", "int8", "int32"]:
            return Declined(f"the product is of {' and '.join(dtypes)}, not of uint8 and int8")
        batch, rows, columns, depth = found.extents()
        mr, tiles = min(4, rows), min(4, -(-columns // 16))
        panels = _panels(rows, mr, self.panels)

        # Step 1. C[b, i, j] += A[b, i, k] * B[b, k, j] with padded sizes, operands packed.
        main = normalize(sch, found)
        sch.pad_einsum(main, [1, mr * panels, 16 * tiles, 4])
        packed_left, packed_right = (sch.cache_read(main, place, "global") for place in (0, 1))
        sch.transform_layout(main, ("read", 1), lambda b, k, j: (b, j // 16, k // 4, j % 16, k % 4))

        # Step 2. Tiles, and the instruction inside.
        b, i, j, k = sch.get_loops(main)
        block, panel, own_i = sch.split(i, [None, panels, mr])
        tile, own_tile, lane = sch.split(j, [None, tiles, 16])
        steps, four = sch.split(k, [None, 4])
        sch.reorder(b, block, tile, panel, steps, own_i, own_tile, lane, four)
        outer = sch.fuse(b, block)
        parallel = batch * rows * columns * depth >= WORTH_THREADS
        sch.unroll(own_i)
        sch.unroll(own_tile)
        start = _finish_tiles(
            sch, (main, packed_left, packed_right), (outer, panel, steps), parallel
        )
        sch.vectorize(sch.get_loops(start)[-1])
        sch.tensorize(lane, intrinsics.dot_product_u8_i8())
        inline_around(sch, keep=(packed_left, packed_right))
        return sch


def _panels(rows: int, mr: int, most: int) -> int:
    """How many panels of `mr` rows a block takes, so that blocks of equal size waste little."""
    panels = -(-rows // mr)
    blocks = -(-panels // most)
    return -(-panels // blocks)


def _finish_tiles(
    sch: s_tir.Schedule,
    blocks: tuple[SBlockRV, SBlockRV, SBlockRV],
    loops: tuple[LoopRV, LoopRV, LoopRV],
    parallel: bool,
) -> SBlockRV:
    """Registers for the results, places for the packing; the block that sets the registers to zero.

    The left operand is packed block by block within the outer loop, the right one before it.
    """
    main, packed_left, packed_right = blocks
    outer, panel, steps = loops
    stored = sch.cache_write(main, 0, "local")
    sch.reverse_compute_at(stored, panel, preserve_unit_loops=True)
    sch.vectorize(sch.get_loops(stored)[-1])
    sch.compute_at(packed_left, outer, preserve_unit_loops=True)
    packing = sch.fuse(*sch.get_loops(packed_right)[:2])
    if parallel:
        sch.parallel(outer)
        sch.parallel(packing)
    return sch.decompose_reduction(main, steps)


# -- Transposition --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transpose:
    """One elementwise stage that reads across what it writes, tile by tile.

        for i0, j0 (parallel): for i1, j1 in a tile: O[i, j] = A[j, i]

    Both sides of a tile stay in the cache, so that each line of the source is fetched once.
    """

    tile: int = 16
    name: str = "cpu.transpose"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        program = inline_injective(sch)
        if len(program) != 1 or not program[0].is_injective:
            return Declined("this is not one elementwise stage")
        stage = program[0]
        found = crossing(stage, self.tile)
        if found is None:
            return Declined("nothing is read across the direction in which it is written")
        _, down, along = found
        loops = sch.get_loops(stage.rv)
        rest = [loops[axis.position] for axis in stage.axes if axis not in (down, along)]
        down_tile, down_in = sch.split(loops[down.position], [None, self.tile])
        along_tile, along_in = sch.split(loops[along.position], [None, self.tile])
        sch.reorder(*rest, down_tile, along_tile, down_in, along_in)
        outer = fused(sch, stage.rv, [*rest, down_tile, along_tile])
        if stage.size() >= WORTH_THREADS:
            sch.parallel(outer)
        return sch


# -- Rows and stages ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """All stages of a row, then the next row; rows in parallel.

        for i (parallel): for k0: for l: m[l] = max(m[l], A[i, k0 * lanes + l])
                          for l: M[i] = max(M[i], m[l])
                          ... the same for a sum ...
                          for j: O[i, j] = f(A[i, j], M[i], S[i])

    The innermost loop runs along memory. Where it is the rows that do, chunks of them are such a
    loop: `for i0 (parallel): for k: for i1 (in a chunk): S[i] += A[k, i]`.
    """

    limits: CpuLimits
    chunk: int = 1024
    name: str = "cpu.rows"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        inline_injective(sch)
        reduce_by_lanes(sch, self.limits)
        program = stages(sch)
        rows = shared_axes(program)
        if not rows:
            return Declined("the stages share no axis that they could be divided along")
        chunk = self.chunk if runs_along(program, rows[-1]) else None
        row = one_loop(sch, program, rows, chunk)
        if sum(stage.size() for stage in program) >= WORTH_THREADS:
            sch.parallel(row)
        for stage in stages(sch):
            order_loops(sch, stage, 1)
        return sch


@dataclass(frozen=True)
class Stages:
    """Each stage by itself: its outermost spatial loop in parallel, its inner ones along memory."""

    limits: CpuLimits
    name: str = "cpu.stages"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        inline_injective(sch)
        reduce_by_lanes(sch, self.limits)
        for stage in stages(sch):
            # A stage that cannot be improved stays as it is: this rule takes every program.
            with suppress(s_tir.ScheduleError):
                divides = bool(stage.axes) and stage.axes[0].kind == "S"
                if divides and stage.size() >= WORTH_THREADS:
                    sch.parallel(sch.get_loops(stage.rv)[0])
                order_loops(sch, stage, int(divides))
        return sch


def reduce_by_lanes(sch: s_tir.Schedule, limits: CpuLimits) -> None:
    """Split each reduction along memory into one partial result a lane, and their combination.

    for k: S += A[k]   ->   for k0: for l: s[l] += A[k0 * lanes + l];   for l: S += s[l]
    """
    for stage in stages(sch):
        along = _reduction_along_memory(stage)
        if along is None:
            continue
        lanes = limits.lanes(str(stage.block.writes[0].source.dtype))
        while along.extent % lanes:
            lanes //= 2
        if lanes < 4 or along.extent < 4 * lanes:
            continue
        with suppress(s_tir.ScheduleError):  # a reduction that TVM does not know how to combine
            _, lane = sch.split(sch.get_loops(stage.rv)[along.position], [None, lanes])
            sch.rfactor(lane, len(stage.block.writes[0].region))


def _reduction_along_memory(stage: Stage) -> Axis | None:
    """The summed axis that runs along the memory of an operand, where no spatial axis does."""
    if not stage.is_reduction:
        return None
    along = []
    for region in stage.block.reads:
        axes = [plain_axis(stage, index) for index in region.region]
        if axes and axes[-1] and any(axis and axis.kind == "R" for axis in axes):
            along.append(axes[-1])
    if any(axis.kind == "S" for axis in along):
        return None
    return next((axis for axis in along if axis.kind == "R"), None)


def order_loops(sch: s_tir.Schedule, stage: Stage, placed: int) -> None:
    """Below the first `placed` loops: spatial, then summed, then the one along memory.

    The start value of a reduction is set before its summed loops. Opaque stages stay as they are.
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
    if stage.is_reduction and summed:
        sch.decompose_reduction(stage.rv, loops[summed[0].position])
