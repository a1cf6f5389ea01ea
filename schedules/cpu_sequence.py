"""Programs with sums of products among other stages: each of these by tiles, the rest in between.

    S[i, j] += Q[i, d] * K[j, d];  M[i] = max S[i, j];  ...;  O[i, d] += P[i, j] * V[j, d]

The products take nearly all the time. In tiles of registers they are several times as fast as row
by row, which is worth that their results go through memory, if that is not too much.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

import tvm
from tvm import s_tir
from tvm.s_tir.schedule import SBlockRV

from . import intrinsics
from .analysis import Stage, extent_of, is_parameter, stages
from .base import Declined, fresh
from .cpu_gemm import oriented, plan, tiled, types_of
from .cpu_limits import WORTH_THREADS, CpuLimits
from .cpu_loops import order_loops, reduce_by_lanes
from .matmul import Contraction, contraction
from .steps import inline_injective

WORTH_TILES = 1 << 16
"""Multiply-adds from which on packing an operand pays."""


@dataclass(frozen=True)
class Products:
    """All sums of products of a program by tiles, each other stage by itself.

    `memory` limits the bytes of the intermediates.
    """

    limits: CpuLimits
    memory: int = 64 << 20
    name: str = "cpu.products"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        # What makes an operand of a product stays, so that its factors are elements.
        products = [
            found for found in map(contraction, stages(sch)) if isinstance(found, Contraction)
        ]
        operands = [region.source for found in products for region in found.stage.block.reads]
        inline_injective(sch, keep=operands)
        program = stages(sch)
        found = {stage: self._worth_tiles(sch, stage) for stage in program}
        products = [each for each in found.values() if isinstance(each, Contraction)]
        if not products or sum(not stage.is_injective for stage in program) < 2:
            return Declined("there are no products among other stages that are worth tiles")
        others = sum(stage.size() for stage, each in found.items() if isinstance(each, Declined))
        if others > sum(each.stage.size() for each in products):
            return Declined("most of the work is not in products")
        kept = sum(_bytes_of(sch, stage) for stage in program)
        if kept > self.memory:
            return Declined(f"the intermediates would take {kept >> 20} MB")
        for each in products:
            beside = [stage.rv for stage in stages(sch) if stage.name != each.stage.name]
            _tile(sch, each, self.limits, beside)
        own = {stage.name for stage, each in found.items() if isinstance(each, Declined)}
        reduce_by_lanes(sch, self.limits, own)
        for stage in stages(sch):
            if stage.name.removesuffix("_rf") in own:
                _by_itself(sch, stage, self.limits.lanes("float32"))
        return sch

    def _worth_tiles(self, sch: s_tir.Schedule, stage: Stage) -> Contraction | Declined:
        found = oriented(sch, contraction(stage))
        if isinstance(found, Declined):
            return found
        batch, rows, columns, depth = found.extents()
        lanes = self.limits.lanes(str(stage.block.writes[0].source.dtype))
        small = batch * rows * columns * depth < WORTH_TILES
        if small or rows < 4 or columns < lanes or depth < 8:
            return Declined(f"{batch} x {rows} x {columns} x {depth} is too small for tiles")
        return found


def _bytes_of(sch: s_tir.Schedule, stage: Stage) -> int:
    buffer = stage.block.writes[0].source
    if is_parameter(sch, buffer):
        return 0
    extents = (extent_of(tvm.ir.Range(0, extent)) for extent in buffer.shape)
    return math.prod(extents) * tvm.DataType(str(buffer.dtype)).bits // 8


def _tile(
    sch: s_tir.Schedule,
    found: Contraction,
    limits: CpuLimits,
    beside: list[SBlockRV],
) -> None:
    *dtypes, summed = types_of(found)
    dot = intrinsics.DOT_PRODUCTS.get((dtypes[0], dtypes[1])) if limits.vnni else None
    if dot is not None and summed == "int32":
        tiled(sch, found, plan(found, limits, dot.lanes, dot.group), dot, beside)
    else:
        tiled(sch, found, plan(found, limits, limits.lanes(summed), 1), None, beside)


def _by_itself(sch: s_tir.Schedule, stage: Stage, lanes: int) -> None:
    """The stage's outermost spatial loop in parallel, the inner ones along memory."""
    # A stage that cannot be improved stays as it is.
    with suppress(s_tir.ScheduleError):
        divides = bool(stage.axes) and stage.axes[0].kind == "S"
        if divides and stage.size() >= WORTH_THREADS:
            sch.parallel(sch.get_loops(stage.rv)[0])
        order_loops(sch, stage, int(divides), lanes)
