"""Elementwise programs on GPUs: a thread an element or a vector, and transpositions by tiles."""

from __future__ import annotations

from dataclasses import dataclass

import tvm
from tvm import s_tir
from tvm.s_tir.schedule import LoopRV

from xpiler_tvm import tir

from .analysis import Stage, coupled_buffers, crossing
from .base import Declined, fresh
from .gpu_vectors import lanes_for, move_as_vectors, runs_in_memory
from .knobs import knob
from .steps import fused, in_tiles, inline_all, inline_injective


@dataclass(frozen=True)
class Elementwise:
    """Independent elementwise stages: a thread an element, or a vector where there are many.

        for i, j: O[i, j] = f(A[i, j])   ->   for b in blockIdx.x: for t in threadIdx.x:
                                                  if b * 256 + t < |i| * |j| / 4:
                                                      for v in 4: O[...] = f(...)

    Several stages (two outputs, or the parts of one) run one after the other in each thread.
    `many` elements give every multiprocessor of a large device enough threads, vectors or not.
    """

    threads: int = 256
    many: int = 1 << 16
    name: str = "gpu.elementwise"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        program = inline_injective(sch)
        if not all(stage.is_injective for stage in program):
            return Declined("a stage reduces, or does more than one store")
        if coupled_buffers(program):
            # What is costly to compute again waits for memory on a GPU all the same.
            program = inline_all(sch)
        if coupled_buffers(program):
            return Declined("one stage needs what another writes")
        lanes = [self._lanes(stage) for stage in program]
        work = [stage.size() // each for stage, each in zip(program, lanes, strict=True)]
        threads = knob("threads of a block", self.threads, (64, 128, 256, 512, 1024))
        blocks = -(-max(work) // threads)
        grid, vectors = [], []
        for stage, each in zip(program, lanes, strict=True):
            loops = sch.get_loops(stage.rv)
            if each > 1:
                last, lane = sch.split(loops.pop(), [None, each])
                loops.append(last)
            factors = [None, threads] if len(program) == 1 else [blocks, threads]
            block, thread = sch.split(fused(sch, stage.rv, loops), factors)
            sch.bind(thread, "threadIdx.x")
            grid.append(block)
            if each > 1:
                vectors.append((stage, thread, lane))
        sch.bind(sch.merge(*grid) if len(grid) > 1 else grid[0], "blockIdx.x")
        for stage, thread, lane in vectors:
            move_as_vectors(sch, stage, stage.axes[-1], thread, lane)
        return sch

    def _lanes(self, stage: Stage) -> int:
        """Elements that a thread computes of a stage."""
        if stage.size() < self.many or tir.as_const(stage.guard) != 1:
            return 1
        along, (written,) = stage.axes[-1], stage.block.writes
        if along.iterator is None or not runs_in_memory(stage, written, along):
            return 1
        most = lanes_for(stage, [*stage.block.reads, written], along)
        fewer = [each for each in (1, 2, 4, 8) if each < most]
        return knob(f"{stage.name}: elements of a thread", most, fewer)


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

        tile = knob("side of a tile", self.tile, (16, 32, 64))
        block, down_in, along_in = in_tiles(sch, stage, (down, along), tile)
        sch.bind(block, "blockIdx.x")
        self._spread(sch, down_in, along_in)

        sch.compute_at(staged, block, preserve_unit_loops=True)
        tiles = [loop for loop in sch.get_loops(staged)[1:] if int(sch.get(loop).extent) > 1]
        if len(tiles) != 2:
            return Declined("the tile that is read is not a plain rectangle")
        self._spread(sch, *tiles)
        sch.storage_align(staged, 0, axis=-2, factor=tile, offset=1)
        return sch

    def _spread(self, sch: s_tir.Schedule, outer: LoopRV, inner: LoopRV) -> None:
        _, row = sch.split(outer, [None, 8])
        sch.bind(row, "threadIdx.y")
        sch.bind(inner, "threadIdx.x")
