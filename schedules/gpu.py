"""Schedules for GPUs: blocks of threads, shared memory, registers. CUDA and HIP differ in limits.

| rule | program | who computes what |
|---|---|---|
| `gpu.transpose` | reads across what it writes | a block a tile, through shared memory |
| `gpu.matmul` | a sum of products, and elementwise work | a block a tile, registers a thread |
| `gpu.elementwise` | independent elementwise stages | a thread an element |
| `gpu.rows` | stages that share axes, long within a row | a team of threads a row |
| `gpu.threads` | stages that share axes, or anything | a thread a row, in order within it |

Every rule makes one kernel. The last applies to any program of one block, whatever its body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tvm
from tvm import s_tir, tirx
from tvm.s_tir.schedule import LoopRV

from .analysis import (
    Axis,
    Stage,
    accesses,
    coupled_buffers,
    crossing,
    is_parameter,
    plain_axis,
    runs_along,
    shared_axes,
    stages,
)
from .base import Declined, Rule, fresh
from .matmul import find_contraction, normalize
from .steps import accumulate_in, fused, inline_around, inline_injective, one_loop, private_scratch


@dataclass(frozen=True)
class GpuLimits:
    """What a device offers. `warp` threads run in step; `shared_bytes` is one block's share."""

    max_threads: int = 1024
    warp: int = 32
    shared_bytes: int = 48 * 1024


MAX_GRID_Y = 65535


def rules(limits: GpuLimits) -> tuple[Rule, ...]:
    """The rules in the order in which they are tried."""
    return (
        Transpose(),
        Matmul(limits),
        Elementwise(),
        TeamPerRow(limits),
        ThreadPerRow(),
    )


# -- Elementwise ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Elementwise:
    """Independent elementwise stages: a thread an element.

        for i, j: O[i, j] = f(A[i, j])   ->   for b in blockIdx.x: for t in threadIdx.x:
                                                  if b * 256 + t < |i| * |j|: O[...] = f(...)

    Several stages (two outputs, or the parts of one) run one after the other in each thread.
    """

    threads: int = 256
    name: str = "gpu.elementwise"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        program = inline_injective(sch)
        if not all(stage.is_injective for stage in program):
            return Declined("a stage reduces, or does more than one store")
        if coupled_buffers(program):
            return Declined("one stage needs what another writes")
        blocks = -(-max(stage.size() for stage in program) // self.threads)
        grid = []
        for stage in program:
            loop = fused(sch, stage.rv, sch.get_loops(stage.rv))
            factors = [None, self.threads] if len(program) == 1 else [blocks, self.threads]
            block, thread = sch.split(loop, factors)
            sch.bind(thread, "threadIdx.x")
            grid.append(block)
        sch.bind(sch.merge(*grid) if len(grid) > 1 else grid[0], "blockIdx.x")
        return sch


# -- Transposition --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transpose:
    """One elementwise stage that reads along one axis and writes along another.

    A block moves a tile of 32 by 32: it reads rows of the source into shared memory and writes rows
    of the result out of it, so that neighbouring threads touch neighbouring places both times.
    """

    tile: int = 32
    name: str = "gpu.transpose"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        program = inline_injective(sch)
        if len(program) != 1 or not program[0].is_injective:
            return Declined("this is not one elementwise stage")
        stage = program[0]
        found = crossing(stage, self.tile // 2)
        if found is None:
            return Declined("nothing is read across the direction in which it is written")
        place, down, along = found
        staged = sch.cache_read(stage.rv, place, "shared")

        loops = sch.get_loops(stage.rv)
        rest = [loops[axis.position] for axis in stage.axes if axis not in (down, along)]
        down_tile, down_in = sch.split(loops[down.position], [None, self.tile])
        along_tile, along_in = sch.split(loops[along.position], [None, self.tile])
        sch.reorder(*rest, down_tile, along_tile, down_in, along_in)
        block = fused(sch, stage.rv, [*rest, down_tile, along_tile])
        sch.bind(block, "blockIdx.x")
        self._spread(sch, down_in, along_in)

        sch.compute_at(staged, block, preserve_unit_loops=True)
        tiles = [loop for loop in sch.get_loops(staged)[1:] if int(sch.get(loop).extent) > 1]
        if len(tiles) != 2:
            return Declined("the tile that is read is not a plain rectangle")
        self._spread(sch, *tiles)
        sch.storage_align(staged, 0, axis=-2, factor=self.tile, offset=1)
        return sch

    def _spread(self, sch: s_tir.Schedule, outer: LoopRV, inner: LoopRV) -> None:
        _, row = sch.split(outer, [None, 8])
        sch.bind(row, "threadIdx.y")
        sch.bind(inner, "threadIdx.x")


# -- Matrix products ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Matmul:
    """One sum of products (matrix product, convolution) with elementwise stages around it.

    256 threads compute a square tile of the result. Tiles of the operands pass through shared
    memory, `step` deep; each thread keeps a square of results in registers. Sizes that are no
    multiple of the tile are padded with zeros as they enter shared memory and cropped at the store.
    """

    limits: GpuLimits
    tiles: tuple[int, ...] = (128, 64, 32)
    step: int = 16
    name: str = "gpu.matmul"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        found = find_contraction(sch)
        if isinstance(found, Declined):
            return found
        batch, rows, columns, depth = found.extents()
        if min(rows, columns) < 16 or depth < 4:
            return Declined(f"{rows} x {columns} x {depth} is too thin for tiles")
        tile = self._tile(batch, rows, columns)
        each = tile // 16

        # Step 1. One form for all: C[b, i, j] += A[b, i, k] * B[b, k, j], sizes padded.
        main = normalize(sch, found)
        sch.pad_einsum(main, [1, tile, tile, self.step])

        # Step 2. Tiles to blocks, 16 x 16 threads to a block, a square of results to a thread.
        b, i, j, k = sch.get_loops(main)
        block_i, thread_i, own_i = sch.split(i, [None, 16, each])
        block_j, thread_j, own_j = sch.split(j, [None, 16, each])
        steps, inner = sch.split(k, [None, self.step])
        sch.reorder(b, block_i, block_j, thread_i, thread_j, steps, inner, own_i, own_j)
        tiles_i = sch.fuse(b, block_i)
        if batch * -(-rows // tile) > MAX_GRID_Y:
            block_j = sch.fuse(tiles_i, block_j)
        else:
            sch.bind(tiles_i, "blockIdx.y")
        sch.bind(block_j, "blockIdx.x")
        sch.bind(thread_i, "threadIdx.y")
        sch.bind(thread_j, "threadIdx.x")

        # Step 3. Sum in registers; operands through shared memory, fetched by all threads.
        accumulate_in(sch, main, thread_j, "local")
        for operand, along_k in ((0, found.left_runs), (1, found.right_runs)):
            staged = sch.cache_read(main, operand, "shared")
            sch.compute_at(staged, steps, preserve_unit_loops=True)
            loops = sch.get_loops(staged)[-3:]
            if along_k != (operand == 0):  # fetch in the order in which the source lies in memory
                sch.reorder(loops[2], loops[1])
            _, row, column = sch.split(
                fused(sch, staged, sch.get_loops(staged)[-3:]), [None, 16, 16]
            )
            sch.bind(row, "threadIdx.y")
            sch.bind(column, "threadIdx.x")
            if operand == 0:  # rows of A_shared start in different banks
                sch.storage_align(staged, 0, axis=-2, factor=16, offset=1)
        sch.decompose_reduction(main, steps)

        # Step 4. Gathering, padding and the work around the product go into these copies.
        inline_around(sch)
        return sch

    def _tile(self, batch: int, rows: int, columns: int) -> int:
        """The largest tile that still gives every multiprocessor of a large device some work."""
        for tile in self.tiles:
            if batch * -(-rows // tile) * -(-columns // tile) >= 128:
                return tile
        return self.tiles[-1]


# -- Rows -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ThreadPerRow:
    """One thread for each point of the shared axes; what is left runs in order in that thread.

    This fits short rows, pooling windows and columns, and takes any program of one block. Values
    that stages hand to each other live in the thread's own memory.
    """

    name: str = "gpu.threads"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(private_scratch(mod, "local"))
        program = inline_injective(sch)
        rows = shared_axes(program)
        if not rows and len(program) > 1:
            return Declined("the stages share no axis that they could be divided along")
        count = _count(rows)
        threads = 256 if count >= 1 << 16 else 64 if count >= 64 else count
        block, thread = sch.split(one_loop(sch, program, rows), [None, threads])
        sch.bind(block, "blockIdx.x")
        sch.bind(thread, "threadIdx.x")
        alone = _lone_writers(program)
        for stage in stages(sch):
            _set_scope(sch, stage, "local")
            if stage.is_reduction and stage.name in alone:
                _accumulate_in_registers(sch, stage, stage.axes[2:])
        return sch


@dataclass(frozen=True)
class TeamPerRow:
    """A team of threads for each point of the shared axes: softmax, normalisation, attention.

        for i: for k: M[i] max= A[i, k]        blockIdx.x = i: threadIdx.x = k: max over the threads
        for i: for k: S[i] += f(A, M)     ->                   threadIdx.x = k: sum over the threads
        for i: for j: O[i, j] = g(A, M, S)                     threadIdx.x = j: O[i, j] = g(A, M, S)

    Where memory runs along the rows (a column sum), neighbouring threads take neighbouring rows and
    the team is along `threadIdx.y`.
    """

    limits: GpuLimits
    name: str = "gpu.rows"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        program = inline_injective(sch)
        if any(stage.is_opaque or stage.of_kind("O") for stage in program):
            return Declined("a stage's body is opaque, so that it runs in one thread")
        rows = shared_axes(program)
        count = _count(rows)
        inner = max(stage.size() for stage in program) // count
        across = bool(rows) and runs_along(program, rows[-1])
        if inner <= (32 if across and count >= 1 << 14 else 8):
            return Declined(f"a row of {inner} steps is too short for several threads")
        if not rows and len(program) > 1 and inner > 1 << 18:
            return Declined("the stages share no axis, and one block would be too slow")
        for buffer in coupled_buffers(program):
            if is_parameter(sch, buffer) and not _each_at_its_place(program, buffer):
                return Declined(
                    f"threads would have to wait for what others write to {buffer.name}"
                )
        team, together = self._team(count, inner, across)
        if across and together < self.limits.warp // 4:
            return Declined("neighbouring rows do not divide into blocks")

        # Step 1. All stages under one loop over the rows; some rows a block.
        row = one_loop(sch, program, rows)
        block, member = sch.split(row, [None, together])
        sch.bind(block, "blockIdx.x")
        sch.bind(member, "threadIdx.x" if across else "threadIdx.y")
        alone = _lone_writers(program)

        # Step 2. Within each stage, the team's threads.
        thread_axis = "threadIdx.y" if across else "threadIdx.x"
        for stage in stages(sch):
            self._share_out(sch, stage, team, thread_axis, stage.name in alone)
        return sch

    def _team(self, count: int, inner: int, across: bool) -> tuple[int, int]:
        """Threads for each row, and rows for each block. Rows must divide evenly: a row that is
        left out would leave its threads out of the block's barriers."""
        if across:
            return 8 if count >= 1 << 12 else 16, _power_of_two_in(count, self.limits.warp)
        if inner <= 1024:
            return self.limits.warp, _power_of_two_in(count, 256 // self.limits.warp)
        few_rows = count < 256 and inner >= 1 << 14
        return (self.limits.max_threads if few_rows else 256), 1

    def _share_out(
        self, sch: s_tir.Schedule, stage: Stage, team: int, thread_axis: str, alone: bool
    ) -> None:
        """Divide a stage's work in a row among the team, and place its result if it is no output.

        Three ways, by what is left to do in a row:

        - a few sums: all threads add up each, and every thread gets the results in registers;
        - one value: every thread computes it for itself, in a register;
        - many values: a thread each in turn, in shared memory.

        Only the last needs a barrier. TVM would leave it out in the first two, had they their
        values in shared memory: it takes what is indexed by `threadIdx.y` for a thread's own.
        """
        loops = sch.get_loops(stage.rv)
        spatial = [axis for axis in stage.axes[2:] if axis.kind == "S"]
        reduced = [axis for axis in stage.axes[2:] if axis.kind == "R"]
        points = _count([(axis,) for axis in spatial])
        order = [loops[axis.position] for axis in (*spatial, *reduced)]
        output = any(is_parameter(sch, region.source) for region in stage.block.writes)
        if len(order) > 1:
            sch.reorder(*order)
        if stage.is_reduction and points < team // 2:
            _set_scope(sch, stage, "local")
            _, thread = sch.split(fused(sch, stage.rv, order[len(spatial) :]), [None, team])
            sch.bind(thread, thread_axis)
            return
        if points == 1 and not output:
            _set_scope(sch, stage, "local")
            return
        _set_scope(sch, stage, "shared")
        if spatial:
            loop = fused(sch, stage.rv, order[: len(spatial)])
        else:
            loop = sch.add_unit_loop(order[0] if order else stage.rv)
        _, thread = sch.split(loop, [None, team])
        sch.bind(thread, thread_axis)
        if stage.is_reduction and alone:
            _accumulate_in_registers(sch, stage, reduced)


def _each_at_its_place(program: Sequence[Stage], buffer: tirx.Buffer) -> bool:
    """Whether all stages touch an output elementwise in the same order of axes.

    A thread then meets no values but its own. Barriers order accesses to shared memory alone.
    """
    orders = set()
    for stage in program:
        for region in accesses(stage, buffer):
            axes = [plain_axis(stage, index) for index in region.region]
            if stage.is_reduction or None in axes or len(axes) != len(stage.axes):
                return False
            orders.add(tuple((axis.position, axis.extent) for axis in axes if axis))
    return len(orders) == 1


def _accumulate_in_registers(sch: s_tir.Schedule, stage: Stage, tail: Sequence[Axis]) -> None:
    """Sum in a register, store once, and set the register before the loops that sum.

    `tail` are the innermost axes, among them all that are summed over.
    """
    first = next(place for place, axis in enumerate(tail) if axis.kind == "R")
    loops = sch.get_loops(stage.rv)
    place = len(loops) - len(tail) + first
    if sch.get(stage.rv).writes[0].source.scope() != "local":
        accumulate_in(sch, stage.rv, loops[place - 1], "local")
    sch.decompose_reduction(stage.rv, loops[place])


def _set_scope(sch: s_tir.Schedule, stage: Stage, scope: str) -> None:
    """Move what a stage writes, outputs apart, to a memory of the device."""
    for place, region in enumerate(sch.get(stage.rv).writes):
        if not is_parameter(sch, region.source) and region.source.scope() != scope:
            sch.set_scope(stage.rv, place, scope)


def _lone_writers(program: Sequence[Stage]) -> set[str]:
    """The stages that write one buffer which no other stage writes."""
    written = [region.source for stage in program for region in stage.block.writes]
    return {
        stage.name
        for stage in program
        if len(stage.block.writes) == 1
        and sum(stage.block.writes[0].source.same_as(buffer) for buffer in written) == 1
    }


def _count(rows: Sequence[Sequence[Axis]]) -> int:
    count = 1
    for row in rows:
        count *= row[0].extent
    return count


def _power_of_two_in(number: int, most: int) -> int:
    """The largest power of two, up to `most`, that divides `number`."""
    while number % most:
        most //= 2
    return most
