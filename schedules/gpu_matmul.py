"""Sums of products on GPUs, by multiplications and additions in registers."""

from __future__ import annotations

from dataclasses import dataclass

import tvm
from tvm import s_tir

from .base import Declined, fresh
from .gpu_device import MAX_GRID_Y, GpuLimits
from .gpu_vectors import VECTOR_BYTES, fetch_together
from .knobs import knob
from .matmul import find_contraction, normalize
from .steps import inline_around, loops_below


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
        tile = knob("side of a tile", self._tile(batch, rows, columns), self.tiles)
        step = knob("depth of a step", self.step, (8, 16, 32))
        each = tile // 16

        # Step 1. One form for all: C[b, i, j] += A[b, i, k] * B[b, k, j], sizes padded.
        main = normalize(sch, found)
        sch.pad_einsum(main, [1, tile, tile, step])

        # Step 2. Tiles to blocks, 16 x 16 threads to a block, a square of results to a thread.
        b, i, j, k = sch.get_loops(main)
        block_i, thread_i, own_i = sch.split(i, [None, 16, each])
        block_j, thread_j, own_j = sch.split(j, [None, 16, each])
        steps, inner = sch.split(k, [None, step])
        sch.reorder(b, block_i, block_j, thread_i, thread_j, steps, inner, own_i, own_j)
        tiles_i = sch.fuse(b, block_i)
        if batch * -(-rows // tile) > MAX_GRID_Y:
            block_j = sch.fuse(tiles_i, block_j)
        else:
            sch.bind(tiles_i, "blockIdx.y")
        sch.bind(block_j, "blockIdx.x")
        sch.bind(thread_i, "threadIdx.y")
        sch.bind(thread_j, "threadIdx.x")

        # Step 3. Operands through shared memory, both with the depth outermost: a thread then
        # reads what it multiplies as vectors. Fetched by all threads in the order of memory.
        threads = (("threadIdx.y", 16), ("threadIdx.x", 16))
        for place, along_depth in ((0, found.left_runs), (1, found.right_runs)):
            staged = sch.cache_read(main, place, "shared")
            if place == 0:
                sch.transform_layout(staged, ("write", 0), lambda b, i, k: (b, k, i))
            sch.storage_align(staged, 0, axis=-2, factor=32, offset=4)
            sch.compute_at(staged, steps, preserve_unit_loops=True)
            loops = loops_below(sch, staged, steps)
            if along_depth != (place == 0):
                sch.reorder(loops[-1], loops[-2])
            lanes = 1 if along_depth else found.lanes(place, VECTOR_BYTES)
            fetch_together(sch, staged, loops_below(sch, staged, steps), threads, lanes)

        # Step 4. Sum in registers. Gathering, padding and the work around the product go into the
        # copies.
        held = sch.cache_write(main, 0, "local")
        sch.reverse_compute_at(held, thread_j, preserve_unit_loops=True)
        inline_around(sch)
        for loop in (inner, own_i, own_j, sch.get_loops(held)[-2]):
            sch.unroll(loop)
        *_, last = sch.get_loops(held)
        if each % 4 == 0 and columns % 4 == 0:
            row, last = sch.split(last, [None, 4])
            sch.unroll(row)
            sch.vectorize(last)
        else:
            sch.unroll(last)
        sch.decompose_reduction(main, steps)
        return sch

    def _tile(self, batch: int, rows: int, columns: int) -> int:
        """The largest tile that still gives every multiprocessor of a large device some work."""
        for tile in self.tiles:
            if batch * -(-rows // tile) * -(-columns // tile) >= 128:
                return tile
        return self.tiles[-1]
