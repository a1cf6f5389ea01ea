"""What schedules for MLUs share: memories by name, and how work is divided among tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.s_tir.schedule import LoopRV, SBlockRV

from xpiler_tvm.dialects.bang import Arch

from .analysis import Stage, collect, is_parameter, stages
from .base import Declined, Rule
from .knobs import AS_MODELLED, knob
from .steps import fused

NRAM = "local.nram"
"""Scope of arrays in a core's vector memory."""

SRAM = "shared.sram"
"""Scope of arrays that the cores of a cluster share."""

WRAM = "local.wram"
"""Scope of weights for a core's matrix unit."""

Model: TypeAlias = "Callable[[tvm.IRModule], float | None]"
"""What a scheduled program is modelled to take, in seconds; `None` where it cannot be emitted."""

Tile = TypeVar("Tile")


def of_tiles(
    mod: tvm.IRModule,
    name: str,
    tiles: Sequence[Tile],
    schedule: Callable[[Tile], s_tir.Schedule],
    *,
    others: Sequence[Rule],
    model: Model | None,
) -> s_tir.Schedule | Declined:
    """The schedule of one of some tiles: of that which the knob `name` says, else of that which the
    model says is cheapest, and without a model of the first.

    Declined where one of the `others` is modelled to be cheaper, or no option can be emitted.
    """
    named = {str(tile): tile for tile in tiles}
    chosen = knob(name, AS_MODELLED, list(named))
    if chosen != AS_MODELLED:
        return schedule(named[chosen])
    if model is None:
        return schedule(tiles[0])
    options = [schedule(tile) for tile in tiles]
    costs = [(model(each.mod), place) for place, each in enumerate(options)]
    known = [(cost, place) for cost, place in costs if cost is not None]
    if not known:
        return Declined("none of its schedules can be emitted")
    best, place = min(known)
    for rule in others:
        other = rule.apply(mod)
        instead = None if isinstance(other, Declined) else model(other.mod)
        if instead is not None and instead < best:
            what = f"{rule.name} is modelled at {instead * 1e6:.3g} us"
            return Declined(f"{what}, this at {best * 1e6:.3g}")
    return options[place]


def share_out(pieces: int, arch: Arch, cores: int = 1) -> int:
    """How many tasks share equal pieces of work, the same number of pieces each.

    One task a core, or one for as many `cores` as a piece takes or there are pieces beside it,
    where that comes out nearly even, else so many that the last round of tasks is short beside the
    others. Tasks beyond those that run at a time wait for a free core.
    """
    workers = max(1, arch.cores // cores)
    if pieces <= workers:
        return pieces
    small = [each for each in range(1, math.isqrt(pieces) + 1) if pieces % each == 0]
    divisors = sorted({*small, *(pieces // each for each in small)})
    fitting = max(each for each in divisors if each <= workers)
    if 4 * fitting >= 3 * workers:
        return fitting
    return next((each for each in divisors if each >= 4 * workers), pieces)


def to_tasks(
    sch: s_tir.Schedule,
    block: SBlockRV,
    bands: Sequence[LoopRV],
    tiles: Sequence[LoopRV],
    arch: Arch,
) -> tuple[LoopRV, LoopRV]:
    """Let tasks share the tiles of each band: the loop over tasks, and over a task's own tiles."""
    band, tile = fused(sch, block, bands), fused(sch, block, tiles)
    wide, count = (int(sch.get(each).extent) for each in (band, tile))
    part, own = sch.split(tile, [share_out(count, arch, wide), None])
    task = sch.fuse(band, part)
    sch.bind(task, "blockIdx.x")
    return task, own


def share_unevenly(pieces: int, arch: Arch) -> int:
    """How many tasks share the pieces when the last may have less to do: as many as cores have."""
    return -(-pieces // -(-pieces // arch.cores))


def keep_on_chip(sch: s_tir.Schedule, points: int | None = None) -> None:
    """Move every intermediate to NRAM; to a variable where it has one value at each of `points`."""
    for stage in stages(sch):
        for place, region in enumerate(sch.get(stage.rv).writes):
            buffer = region.source
            if not is_parameter(sch, buffer) and buffer.scope() == "global":
                alone = math.prod(int(extent) for extent in buffer.shape) == points
                sch.set_scope(stage.rv, place, "local" if alone else NRAM)


def place_of(sch: s_tir.Schedule, block: SBlockRV, ending: str) -> int:
    """Which of the arrays that a block reads has a name that ends so."""
    names = [str(region.source.name) for region in sch.get(block).reads]
    return next(place for place, name in enumerate(names) if name.endswith(ending))


def lie_as(sch: s_tir.Schedule, block: SBlockRV, order: Sequence[int]) -> None:
    """Let what a block writes have its last dimensions in memory as `order` says."""

    def turned(*indices: tirx.Var) -> list[tirx.Var]:
        last = indices[-len(order) :]
        return [*indices[: -len(order)], *(last[place] for place in order)]

    if list(order) != sorted(order):
        sch.transform_layout(block, ("write", 0), turned)


def walk_as(sch: s_tir.Schedule, block: SBlockRV, order: Sequence[int]) -> None:
    """Let a block run over its last loops as `order` says."""
    last = sch.get_loops(block)[-len(order) :]
    if list(order) != sorted(order):
        sch.reorder(*(last[place] for place in order))


def steps_of(sch: s_tir.Schedule, stage: Stage) -> list[list[int | None]]:
    """For each axis, by how many elements each access moves a step; `None` where it varies."""
    realizes = collect(sch.mod["main"].body, s_tir.SBlockRealize)
    realize = next(each for each in realizes if each.block.same_as(stage.block))
    pairs = list(zip(stage.block.iter_vars, realize.iter_values, strict=True))
    store = stage.block.body
    accesses = [(store.buffer, store.indices)] + [
        (load.source, load.indices) for load in collect(store.value, tvm.ir.TensorLoad)
    ]

    def loops_for(var: tirx.Var) -> tvm.ir.Expr:
        return next((value for iterator, value in pairs if iterator.var.same_as(var)), var)

    found: list[list[int | None]] = [[] for _ in stage.axes]
    for buffer, indices in accesses:
        flat: tvm.ir.Expr = tirx.IntImm("int32", 0)
        for extent, index in zip(buffer.shape, indices, strict=True):
            flat = flat * extent + index
        flat = tvm.sym.Analyzer().simplify(tvm_ffi.structural_map(flat, (tirx.Var, loops_for)))
        for axis in stage.axes:
            parts = tvm.sym.detect_linear_equation(flat, [axis.var])
            known = bool(parts) and isinstance(parts[0], tirx.IntImm)
            found[axis.position].append(int(parts[0]) if known else None)
    return found
