"""Schedules for CPUs with AVX-512: parallel outer loops, vector inner loops, packed tiles.

| rule | program | how |
|---|---|---|
| `cpu.transpose` | reads across what it writes | tile by tile |
| `cpu.vnni` | products of bytes or words summed in int32 | `vpdpbusd`, `vpdpwssd` on packed tiles |
| `cpu.matmul` | any other sum of products | packed tiles, results in registers |
| `cpu.products` | sums of products among other stages | tiles for each of them |
| `cpu.windows` | one reduction of windows that overlap | tiles of results in registers |
| `cpu.rows` | stages that share axes | all stages of a row together, rows in parallel |
| `cpu.stages` | anything | each stage by itself |

Most inner loops are left to LLVM, which vectorises what runs along memory; a schedule's task is to
bring the loops into that order.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

import tvm
from tvm import s_tir

from .analysis import (
    Stage,
    crossing,
    runs_along,
    shared_axes,
    stages,
)
from .base import Declined, Rule, fresh
from .cpu_gemm import DotProducts, Matmul
from .cpu_limits import WORTH_THREADS, CpuLimits
from .cpu_loops import order_loops, reduce_by_lanes
from .cpu_sequence import Products
from .cpu_windows import WindowTiles
from .knobs import knob
from .shared_values import read_twice, with_shared_values
from .steps import in_tiles, inline_injective, is_costly, one_loop

__all__ = ["CpuLimits", "rules"]

WIDEST = 64
"""The most elements that are one vector, in several registers."""


def rules(limits: CpuLimits) -> tuple[Rule, ...]:
    """The rules in the order in which they are tried."""
    return (
        Transpose(limits),
        DotProducts(limits),
        Matmul(limits),
        Products(limits),
        WindowTiles(limits),
        Rows(limits),
        Stages(limits),
    )


# -- Transposition --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transpose:
    """One elementwise stage that reads across what it writes, tile by tile.

        for i0, j0 (parallel): for i1, j1: for i2, j2 in a tile: O[i, j] = A[j, i]

    Both sides of a block of tiles stay in the cache, so that each line of the source is fetched
    once; a tile has as many rows as a vector has elements, so that it is transposed in registers.
    """

    limits: CpuLimits
    block: int = 64
    name: str = "cpu.transpose"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        program = inline_injective(sch)
        if len(program) != 1 or not program[0].is_injective:
            return Declined("this is not one elementwise stage")
        stage = program[0]
        tile = self.limits.lanes(str(stage.block.writes[0].source.dtype))
        found = crossing(stage, tile)
        if found is None:
            return Declined("nothing is read across the direction in which it is written")
        _, down, along = found
        common = math.gcd(down.extent, along.extent)
        # What does not come out even needs tests within tiles, and is not transposed in registers.
        tile = math.gcd(tile, common) if common % 4 == 0 else tile
        even = (side for side in range(self.block, 0, -tile) if common % side == 0)
        side = knob("side of a block", next(even, self.block), (16, 32, 64, 128))
        outer, *inner = in_tiles(sch, stage, (down, along), side)
        (i, own_i), (j, own_j) = (sch.split(loop, [None, min(tile, side)]) for loop in inner)
        sch.reorder(i, j, own_i, own_j)
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
        kept = knob("costly values", "kept", ("kept", "repeated")) == "kept"
        sch = fresh(with_shared_values(mod) if kept else mod)
        inline_injective(sch, keep=read_twice(stages(sch)) if kept else ())
        reduce_by_lanes(sch, self.limits, scope="local")
        program = stages(sch)
        rows = shared_axes(program)
        if not rows:
            return Declined("the stages share no axis that they could be divided along")
        chunk = None
        if runs_along(program, rows[-1]):
            most = knob("rows of a chunk", self.chunk, (16, 32, 64, 128, 256, 512, 2048, 4096))
            chunk = even_chunk(max(axis.extent for axis in rows[-1]), most)
        row = one_loop(sch, program, rows, chunk)
        if sum(stage.size() for stage in program) >= WORTH_THREADS:
            sch.parallel(row)
        for stage in stages(sch):
            order_loops(sch, stage, 1, vector_of(stage))
        return sch


def vector_of(stage: Stage) -> int:
    """Elements of a stage's vectors; 0 leaves them to LLVM.

    Not those of partial results: LLVM would take these apart and combine them one by one. Nor those
    of functions, whose long chains of operations need several vectors side by side.
    """
    partial = stage.block.writes[0].source.scope() == "local"
    usual = WIDEST if partial or is_costly(stage) else 0
    return knob(f"{stage.name}: elements of a vector", usual, (0, 8, 16, 32, 64))


def even_chunk(extent: int, most: int) -> int:
    """A length of at most `most` that divides `extent` if one of the longer half does.

    What does not come out even needs a test for each element.
    """
    dividing = (length for length in range(most, most // 2, -1) if extent % length == 0)
    return next(dividing, most)


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
                order_loops(sch, stage, int(divides), vector_of(stage))
        return sch
