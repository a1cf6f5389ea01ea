"""Sums of products on GPUs by matrix instructions: wmma on NVIDIA's, mfma on AMD's."""

from __future__ import annotations

from dataclasses import dataclass

import tvm
from tvm import s_tir, tirx
from tvm.s_tir.schedule import SBlockRV

from .base import Declined, fresh
from .gpu_device import MAX_GRID_Y, STAGES, GpuLimits
from .gpu_instructions import (
    ACCUMULATOR,
    FRAGMENT_A,
    FRAGMENT_B,
    Layout,
    MatrixInstruction,
    mark,
)
from .gpu_vectors import VECTOR_BYTES, fetch_together
from .knobs import knob
from .matmul import Contraction, find_contraction, normalize
from .steps import fused, inline_around, loops_below

WAYS = ((128, 128, 2, 2), (64, 64, 2, 2), (32, 32, 2, 2), (16, 16, 1, 1))
"""Tiles of a block, rows by columns, and the warps that share one, by the same.

A warp's part of the largest is 64 by 64: what it reads of shared memory for a step then takes no
longer than the multiplications, and its sums take half of its registers.
"""


@dataclass(frozen=True)
class TensorCores:
    """One sum of products of short numbers with elementwise stages around it.

    A block of warps computes a tile of the result. Tiles of the operands pass through shared
    memory, `step` bytes deep; a warp takes fragments out of it, multiplies them and keeps its part
    of the tile in registers. At the end that goes to its place by way of shared memory, where the
    stages behind the product are computed, too. Sizes that are no multiple of the tile are padded
    with zeros on the way in and cropped on the way out. With several `stages`, operands may be on
    their way to shared memory that many steps before they are multiplied.

    `instructions` are those of the device. The sums are of the source's type; sources that round
    products or sums to 16 bits are declined, because no instruction rounds where they do.
    """

    limits: GpuLimits
    instructions: tuple[MatrixInstruction, ...]
    stages: int = 1
    step: int = 64
    name: str = "gpu.tensor_cores"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        found = find_contraction(sch)
        if isinstance(found, Declined):
            return found
        instruction = self._instruction(found)
        if isinstance(instruction, Declined):
            return instruction
        batch, rows, columns, depth = found.extents()
        if min(rows, columns) < 8 or depth < instruction.k:
            return Declined(f"{rows} x {columns} x {depth} is too thin for tiles")
        ways = {" x ".join(map(str, way)): way for way in WAYS}
        usual = " x ".join(map(str, self._way(batch, rows, columns)))
        tile_i, tile_j, warps_i, warps_j = ways[knob("tile and warps", usual, list(ways))]
        size = tvm.DataType(instruction.operand).bits // 8
        step = knob("bytes of a step", self.step, (32, 64, 128)) // size
        while step > instruction.k and step // 2 >= depth:
            step //= 2

        # Step 1. One form for all: C[b, i, j] += A[b, i, k] * B[b, k, j], sizes padded.
        main = normalize(sch, found)
        sch.pad_einsum(main, [1, tile_i, tile_j, step])

        # Step 2. Rows apart by who computes them, so that the result says by itself what a
        # block, a warp and a fragment have of it. Tiles to blocks, parts of them to warps.
        part = tile_i // warps_i

        def rows_apart(b: tirx.Var, i: tirx.Var, j: tirx.Var) -> tuple[tvm.ir.Expr, ...]:
            return b, i // tile_i, i // part % warps_i, i // 16 % (part // 16), i % 16, j

        sch.transform_block_layout(main, lambda b, i, j, k: (*rows_apart(b, i, j), k))
        out = sch.reindex(main, ("write", 0))
        sch.set_scope(main, 0, "shared")
        b, block_i, warp_i, own_i, in_i, j, k = sch.get_loops(main)
        block_j, warp_j, own_j, in_j = sch.split(j, [None, warps_j, tile_j // warps_j // 16, 16])
        steps, inner, in_k = sch.split(k, [None, step // instruction.k, instruction.k])
        sch.reorder(
            b, block_i, block_j, warp_i, warp_j, steps, inner, own_i, own_j, in_i, in_j, in_k
        )
        tiles_i = sch.fuse(b, block_i)
        if batch * -(-rows // tile_i) > MAX_GRID_Y:
            block_j = sch.fuse(tiles_i, block_j)
        else:
            sch.bind(tiles_i, "blockIdx.y")
        sch.bind(block_j, "blockIdx.x")
        sch.bind(warp_i, "threadIdx.z")
        sch.bind(warp_j, "threadIdx.y")

        # Step 3. Operands: to shared memory by all threads, from there to fragments by each warp.
        warp = self.limits.warp
        threads = [("threadIdx.z", warps_i), ("threadIdx.y", warps_j), ("threadIdx.x", warp)]
        deep = instruction.along_depth
        turned = (not found.left_runs and not deep, found.right_runs or deep)
        for place in (0, 1):
            layout: Layout = "col_major" if turned[place] else "row_major"
            fragment = sch.cache_read(main, place, FRAGMENT_B if place else FRAGMENT_A)
            staged = sch.cache_read(fragment, 0, "shared")
            if turned[place]:
                sch.transform_layout(staged, ("write", 0), lambda *i: (*i[:-2], i[-1], i[-2]))
            row = instruction.row_bytes // size
            sch.storage_align(staged, 0, axis=-2, factor=2 * row, offset=row)
            sch.compute_at(fragment, inner, preserve_unit_loops=True)
            sch.compute_at(staged, steps, preserve_unit_loops=True)
            load = instruction.load_b(layout) if place else instruction.load_a(layout)
            shape = (instruction.k, 16) if place else (16, instruction.k)
            self._in_fragments(sch, fragment, *shape, load)
            # Fetch in the order of memory; as vectors where that is the order in shared memory too.
            across = found.right_runs if place else not found.left_runs
            loops = loops_below(sch, staged, steps)
            if across:
                sch.reorder(loops[-1], loops[-2])
            lanes = found.lanes(place, VECTOR_BYTES) if across == turned[place] else 1
            fetch_together(sch, staged, loops_below(sch, staged, steps), threads, lanes)

        # Step 4. The sum in fragments; out through shared memory, a row of fragments at a time.
        # Gathering, padding and the work around the product go into the copies.
        held = sch.cache_write(main, 0, ACCUMULATOR)
        # Lanes hold neighbours in pairs, eight rows at a time: those then lie in different banks.
        sch.storage_align(held, 0, axis=-2, factor=16, offset=8)
        sch.reverse_compute_at(held, warp_j, preserve_unit_loops=True)
        # TVM leaves out axes of one step: there may be a single row of fragments.
        above = loops_below(sch, held, warp_j)
        row_of_fragments = above[-3] if len(above) > 2 else sch.add_unit_loop(above[-2])
        sch.reverse_compute_at(out, row_of_fragments, preserve_unit_loops=True)
        inline_around(sch)
        self._in_fragments(sch, held, 16, 16, instruction.store())
        sch.unroll(row_of_fragments)
        _, lane = sch.split(fused(sch, out, sch.get_loops(out)[-2:]), [None, warp])
        sch.bind(lane, "threadIdx.x")

        # Step 5. Zero before the loop over depth.
        sch.unroll(inner)
        sch.unroll(own_i)
        sch.unroll(own_j)
        if self.stages > 1:
            sch.annotate(steps, STAGES, knob("stages", self.stages, (2, 3, 4)))
        zero = sch.decompose_reduction(main, steps)
        mark(sch, sch.get_loops(zero)[-2], instruction.fill())
        mark(sch, in_i, instruction.multiply())
        return sch

    def _in_fragments(
        self, sch: s_tir.Schedule, copy: SBlockRV, rows: int, columns: int, instruction: str
    ) -> None:
        """Divide a copy into fragments, one instruction each."""
        row, column = sch.get_loops(copy)[-2:]
        row, in_row = sch.split(row, [None, rows])
        column, in_column = sch.split(column, [None, columns])
        sch.reorder(row, column, in_row, in_column)
        sch.unroll(row)
        sch.unroll(column)
        mark(sch, in_row, instruction)

    def _instruction(self, found: Contraction) -> MatrixInstruction | Declined:
        block = found.stage.block
        left, right = (str(block.reads[place].source.dtype) for place in (found.left, found.right))
        total = str(block.body.buffer.dtype)
        for each in self.instructions:
            if (left, right) == each.operands and total == each.total:
                return each if _widens(block.body, total) else Declined("products are rounded")
        both = " and ".join(sorted({left, right}))
        return Declined(f"no instruction sums products of {both} in {total}")

    def _way(self, batch: int, rows: int, columns: int) -> tuple[int, int, int, int]:
        """The largest tile that still gives every multiprocessor of a large device some work."""
        for way in WAYS[:-2]:
            if batch * -(-rows // way[0]) * -(-columns // way[1]) >= 128:
                return way
        return WAYS[-2] if min(rows, columns) > 16 else WAYS[-1]


def _widens(store: tirx.BufferStore, total: str) -> bool:
    """Whether the operands are converted to the sum's type before they are multiplied."""
    products = [side for side in (store.value.a, store.value.b) if isinstance(side, tirx.Mul)]
    return len(products) == 1 and str(products[0].ty.dtype) == total
