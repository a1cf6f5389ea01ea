"""Transpositions on MLUs: tiles that are read as they lie, turned in NRAM and written so, too."""

from __future__ import annotations

from dataclasses import dataclass

import tvm
from tvm import s_tir

from xpiler_tvm.dialects.bang import Arch

from .analysis import Axis, Stage, collect
from .bang_common import NRAM, share_out, steps_of
from .base import Declined, fresh
from .knobs import knob
from .steps import inline_injective

LONGEST_SIDE = 128
"""Elements of a tile's side: half a kilobyte, from which on rows of a copy are long enough."""

SHORTEST_SIDE = 8
"""Elements of a side below which a tile is not worth its copies."""


@dataclass(frozen=True)
class Transpose:
    """One copy that runs along memory in its source by one axis and in its result by another.

    y[a, b] = x[b, a]   ->   x_nram = x[b tile, a tile];  y_nram = its transpose;  y[...] = y_nram
    """

    arch: Arch
    name: str = "bang.transpose"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        program = inline_injective(sch)
        if len(program) != 1 or not program[0].is_injective:
            return Declined("it is more than one copy")
        (stage,) = program
        value = stage.block.body.value
        loads = collect(value, tvm.ir.TensorLoad)
        if len(loads) != 1 or not loads[0].same_as(value):
            return Declined("it does not only copy")
        sides = self._sides(sch, stage)
        if isinstance(sides, Declined):
            return sides
        read, written = sides
        length, width = self._tile(stage, sides)
        if min(length, width) < SHORTEST_SIDE:
            return Declined(f"tiles of {length} x {width} are too small")

        # Step 1. Tiles to tasks.
        loops = sch.get_loops(stage.rv)
        others = [loops[axis.position] for axis in stage.axes if axis not in sides]
        read_block, read_own = sch.split(loops[read.position], [None, length])
        written_block, written_own = sch.split(loops[written.position], [None, width])
        outer = [*others, read_block, written_block]
        sch.reorder(*outer, read_own, written_own)
        tiles = sch.fuse(*outer)
        count = stage.size() // (length * width)
        task, tile = sch.split(tiles, [share_out(count, self.arch), None])
        sch.bind(task, "blockIdx.x")

        # Step 2. Both sides in NRAM: the stage itself is the transposition.
        sch.compute_at(sch.cache_read(stage.rv, 0, NRAM), tile, preserve_unit_loops=True)
        sch.reverse_compute_at(sch.cache_write(stage.rv, 0, NRAM), tile, preserve_unit_loops=True)
        return sch

    def _sides(self, sch: s_tir.Schedule, stage: Stage) -> tuple[Axis, Axis] | Declined:
        """The axis along which the source lies in memory, and that of the result."""
        store, load = zip(*steps_of(sch, stage), strict=True)
        if None in store or None in load:
            return Declined("an index is not linear")
        written = [axis for axis in stage.axes if store[axis.position] == 1 and axis.extent > 1]
        read = [axis for axis in stage.axes if load[axis.position] == 1 and axis.extent > 1]
        if len(written) != 1 or len(read) != 1 or written == read:
            return Declined("source and result lie in memory alike")
        return read[0], written[0]

    def _tile(self, stage: Stage, sides: tuple[Axis, Axis]) -> tuple[int, int]:
        """Sides that divide the axes, as layouts are of whole tiles; large, but a tile a core."""
        tiles = [
            (_divisor(sides[0].extent, most), _divisor(sides[1].extent, most))
            for most in (LONGEST_SIDE, LONGEST_SIDE // 2, LONGEST_SIDE // 4)
        ]
        cores = self.arch.cores
        usual = next((t for t in tiles if stage.size() >= t[0] * t[1] * cores), tiles[0])
        named = {f"{tile[0]} x {tile[1]}": tile for tile in tiles}
        return named[knob("tile", f"{usual[0]} x {usual[1]}", list(named))]


def _divisor(extent: int, most: int) -> int:
    return max(each for each in range(1, most + 1) if extent % each == 0)
