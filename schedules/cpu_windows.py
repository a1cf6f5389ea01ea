"""Reductions over windows on a CPU: what slides over memory stays in registers meanwhile.

        for i, j0 (tiles of rows), c0 (vectors):                                 parallel
            for k, l: for j: s[j, c] += X[i + k, j0 + j + l, c] * W[k, l, c]     j, c unrolled
            for j: O[i, j0 + j, c] = f(s[j, c])

Neighbouring windows overlap, so that what is loaded for one row of a tile serves the next ones too,
and a tap's weights serve all of them. The vectors run along memory; the rows are of another axis
along which the windows slide. Convolutions over each channel by itself, pooling and stencils are of
this form; those that sum over channels are products (`cpu_gemm.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import s_tir
from tvm.s_tir.schedule import SBlockRV

from xpiler_tvm import tir

from .analysis import Axis, Stage, collect, is_parameter, mentions, plain_axis
from .base import Declined, fresh
from .borders import Bordered, choices_in, with_borders
from .cpu_limits import WORTH_THREADS, CpuLimits
from .cpu_loops import is_contiguous
from .knobs import knob
from .steps import fused, inline_injective, loops_of

HEIGHTS = (4, 3, 6, 5, 2, 7, 8)
"""Rows of a tile, best first."""
STRIDE = 4
"""The largest step between neighbours that LLVM makes vectors of."""
SHORT, SHORT_IN_LINES = 32, 64
"""The most taps that are unrolled: beside each vector, and in loops of which LLVM makes vectors."""
AT_BORDERS = Declined("what is read depends on where along memory it is")


@dataclass(frozen=True, eq=False)
class Tiles:
    """A reduction, what is made of it, what makes borders, and the axes of its tiles."""

    schedule: s_tir.Schedule
    stage: Stage
    others: tuple[Stage, ...]
    borders: tuple[SBlockRV, ...]
    down: Axis
    along: Axis
    vectors: bool


@dataclass(frozen=True)
class WindowTiles:
    """One reduction whose windows overlap, and what is made of its results element by element."""

    limits: CpuLimits
    name: str = "cpu.windows"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        found = self._found(Bordered(mod))
        if found == AT_BORDERS:
            found = self._found(with_borders(mod))
        return found if isinstance(found, Declined) else self._tiled(found)

    def _found(self, form: Bordered) -> Tiles | Declined:
        sch = fresh(form.mod)
        program = inline_injective(sch)
        borders = tuple(stage.rv for stage in program if stage.name in form.names)
        stages = program[len(borders) :]
        reduces = 1 <= len(stages) <= 2 and stages[0].is_reduction
        if not reduces or not all(_is_made_of(other, stages[0]) for other in stages[1:]):
            return Declined("this is not one reduction, and what is made of its results")
        stage, *others = stages
        if others and is_parameter(sch, stage.block.writes[0].source):
            return Declined("the results themselves are asked for, too")
        if any(axis.kind == "O" or axis.iterator is None for axis in stage.axes):
            return Declined("the loops of the reduction are not its iterators")
        written = stage.block.writes[0].region
        along = plain_axis(stage, written[-1]) if written else None
        if along is None or along.kind != "S":
            return Declined("no axis runs along what is written")
        conditions = [call.args[0] for call in choices_in(stage.block.body)]
        if any(mentions(each, along.iterator) for each in conditions):
            return AT_BORDERS
        # A condition that whole vectors share costs little, but LLVM would not make them.
        whole = along.extent % self._lanes(stage) == 0
        if not is_contiguous(stage, along, conditional=whole) and (
            conditions or not is_contiguous(stage, along, STRIDE)
        ):
            return Declined("no axis runs along all that is touched")
        down = next((axis for axis in _sliding(stage) if axis is not along), None)
        if down is None:
            return Declined("no two windows overlap across memory")
        vectors = whole and is_contiguous(stage, along, conditional=True)
        if not vectors and stage.size("R") > SHORT_IN_LINES:
            return Declined(f"{along.extent} elements are no vectors, and the taps are many")
        return Tiles(sch, stage, tuple(others), borders, down, along, vectors)

    def _cut(self, found: Tiles) -> tuple[int, int, int, str]:
        """Elements and rows of a tile, the first loop over taps that is unrolled, the order."""
        stage, down, along, name = found.stage, found.down, found.along, found.stage.name
        lanes, taps = self._lanes(stage), stage.of_kind("R")
        sizes = [math.prod(axis.extent for axis in taps[n:]) for n in range(len(taps) + 1)]
        short = [n for n, size in enumerate(sizes) if size <= SHORT]
        shared, vary = _weights(stage, down, along)
        widths = [n * lanes for n in (4, 2, 1) if found.vectors and along.extent % (n * lanes) == 0]
        widths += [1] if not widths or 0 in short else []
        width = knob(f"{name}: elements of a row", widths[0], widths)
        short = short if width > 1 else [0]
        heights = [*(each for each in HEIGHTS if down.extent % each == 0), 1]
        few = width == 1 and vary  # LLVM keeps a vector of weights for each tap
        height = next(each for each in heights if each <= 2 or not few)
        height = knob(f"{name}: rows of a tile", height, heights)
        # Weights that all rows share are worth the longer code.
        most = SHORT if shared else taps[-1].extent
        first = next(n for n in short if n == short[-1] or sizes[n] <= most)
        first = knob(f"{name}: loops over taps", first, short)
        order = knob(f"{name}: tiles", "rows first", ("rows first", "vectors first"))
        return width, height, first, order

    def _lanes(self, stage: Stage) -> int:
        return self.limits.lanes(str(stage.block.writes[0].source.dtype))

    def _tiled(self, found: Tiles) -> s_tir.Schedule:
        sch, stage, down, along = found.schedule, found.stage, found.down, found.along
        taps = stage.of_kind("R")
        width, height, first, order = self._cut(found)

        rest = [axis for axis in stage.of_kind("S") if axis not in (down, along)]
        outer, summed = loops_of(sch, stage, rest), loops_of(sch, stage, taps)
        across, beside = loops_of(sch, stage, [down, along])
        tile, row = sch.split(across, [None, height])
        vector, lane = sch.split(beside, [None, width])
        steps = [tile, vector] if order == "rows first" else [vector, tile]
        sch.reorder(*outer, *steps, *summed, row, lane)
        if found.others:
            result = found.others[0].rv
            sch.set_scope(stage.rv, 0, "local")
        else:
            result = sch.cache_write(stage.rv, 0, "local")
        sch.reverse_compute_at(result, steps[-1], preserve_unit_loops=True)
        for block in (stage.rv, result):
            _in_registers(sch, block)
        for loop in summed[first:]:
            sch.unroll(loop)
        # Borders are made for all that lies below the loop, once.
        whole = fused(sch, stage.rv, outer if outer and found.borders else [*outer, *steps[:1]])
        for border in found.borders:
            sch.compute_at(border, whole, preserve_unit_loops=True)
        if stage.size() >= WORTH_THREADS:
            sch.parallel(whole)
        _in_registers(sch, sch.decompose_reduction(stage.rv, summed[0]))
        return sch


def _weights(stage: Stage, down: Axis, along: Axis) -> tuple[bool, bool]:
    """Whether all rows of a tile share something that is read, and whether it varies along them."""
    written = stage.block.writes[0].source
    loads = collect(stage.block.body, tvm.ir.TensorLoad)
    others = [load for load in loads if not load.source.same_as(written)]
    shared = [load for load in others if not mentions(load, down.iterator)]
    return bool(shared), any(mentions(load, along.iterator) for load in shared)


def _is_made_of(stage: Stage, other: Stage) -> bool:
    """Whether a stage makes each of its elements of the element of `other` at the same place."""
    if not stage.is_injective or not stage.block.writes[0].region:
        return False
    result = other.block.writes[0].source
    written = [index.min for index in stage.block.writes[0].region]
    read = [load for load in tir.loads(stage.block.body.value) if load.source.same_as(result)]
    last = plain_axis(stage, stage.block.writes[0].region[-1])
    return (
        bool(read)
        and all(tvm_ffi.structural_equal(list(load.indices), written) for load in read)
        and last is stage.axes[-1]
    )


def _in_registers(sch: s_tir.Schedule, block: SBlockRV) -> None:
    """Unroll the rows of a tile and make vectors of their elements."""
    *_, row, lane = sch.get_loops(block)
    sch.unroll(row)
    if int(sch.get(lane).extent) > 1:
        sch.vectorize(lane)


def _sliding(stage: Stage) -> list[Axis]:
    """The axes along which windows move, the innermost first.

    An index of what is read is the sum of such an axis and a tap, times what they step by.
    """
    taps = [axis.iterator for axis in stage.of_kind("R") if axis.extent > 1]
    loads = collect(stage.block.body, tvm.ir.TensorLoad)
    sums = [
        index for load in loads for index in load.indices if any(mentions(index, t) for t in taps)
    ]
    spatial = reversed(stage.of_kind("S"))
    return [axis for axis in spatial if any(mentions(index, axis.iterator) for index in sums)]
