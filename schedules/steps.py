"""Steps that rules of several targets take: inlining, and running all stages under one loop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.s_tir.schedule import LoopRV, SBlockRV

from .analysis import Axis, Stage, collect, is_parameter, stages

CHEAP_CALLS = ("prim.if_then_else", "tirx.likely", "tirx.reinterpret", "tirx.fabs")
"""Calls that cost no more than an addition, unlike `exp` or `erf`."""

MOST_REPEATS = 4
"""How often a costly value may be computed again in order to save storing it."""


def inline_injective(
    sch: s_tir.Schedule,
    beside: Sequence[tirx.Buffer] = (),
    tables: bool = False,
    keep: Sequence[tirx.Buffer] = (),
) -> tuple[Stage, ...]:
    """Put elementwise intermediates into the stages that read them; the program that is left.

        B[i] = A[i] + 1;  C[i] = B[i] * 2          ->          C[i] = (A[i] + 1) * 2

    A costly value that a consumer would compute more than `MOST_REPEATS` times stays, and so does
    whatever TVM refuses to inline (a conditional store, a buffer with two writers) and what reads
    an array to stay `beside` or writes one to `keep`. With `tables`, what is made of indices alone
    goes whatever it costs.
    """
    for stage in stages(sch):
        if not stage.is_inlinable or is_parameter(sch, stage.block.writes[0].source):
            continue
        if any(region.source.same_as(each) for region in stage.block.reads for each in beside):
            continue
        if any(stage.block.writes[0].source.same_as(each) for each in keep):
            continue
        free = is_constant(stage) or (tables and not collect(stage.block.body, tvm.ir.TensorLoad))
        often = _most_readings(sch, stage) > MOST_REPEATS * stage.size()
        if is_costly(stage) and often and not free:
            continue
        with suppress(s_tir.ScheduleError):
            sch.compute_inline(stage.rv)
    return stages(sch)


def inline_all(sch: s_tir.Schedule, *, kept: bool = False) -> tuple[Stage, ...]:
    """Put every elementwise intermediate into its readers, whatever it costs; what is left.

    Those that are to be `kept` as well, on request.
    """
    for stage in stages(sch):
        fits = stage.is_injective if kept else stage.is_inlinable
        if fits and not is_parameter(sch, stage.block.writes[0].source):
            with suppress(s_tir.ScheduleError):
                sch.compute_inline(stage.rv)
    return stages(sch)


def inline_around(sch: s_tir.Schedule, keep: Sequence[SBlockRV] = ()) -> None:
    """Put every elementwise stage into its consumers, or else into the stage that feeds it.

    Unlike `inline_injective` this ignores cost: for work around one large stage, whose copies in
    and out of fast memory it joins. The copies themselves stay: those in memory other than the
    device's main one, those below loops that are bound, and the blocks to `keep`.
    """
    names = {sch.get(block).name_hint for block in keep}

    def is_around(stage: Stage) -> bool:
        return stage.is_inlinable and stage.name not in names and not _is_bound(sch, stage)

    for stage in stages(sch):
        if is_around(stage) and not is_parameter(sch, stage.block.writes[0].source):
            with suppress(s_tir.ScheduleError):
                sch.compute_inline(stage.rv)
    for stage in stages(sch):
        if is_around(stage):
            # TVM finds some maps of indices that it cannot invert only when it is on its way.
            with suppress(s_tir.ScheduleError, tvm.error.InternalError):
                sch.reverse_compute_inline(stage.rv)


def _is_bound(sch: s_tir.Schedule, stage: Stage) -> bool:
    """Whether the stage is placed already: below other loops than its own, or in fast memory."""
    if stage.block.writes[0].source.scope() != "global":
        return True
    loops = [sch.get(loop) for loop in sch.get_loops(stage.rv)]
    return any(loop.kind != tirx.ForKind.SERIAL for loop in loops)


def is_costly(stage: Stage) -> bool:
    """Whether it calls what costs more than an addition."""
    calls = collect(stage.block.body, tvm.ir.Call)
    return any(getattr(call.op, "name", "") not in CHEAP_CALLS for call in calls)


def is_constant(stage: Stage) -> bool:
    """Whether it is one value that depends on nothing: compilers work it out, or do so once."""
    return not stage.block.iter_vars and not collect(stage.block.body, tvm.ir.TensorLoad)


def _most_readings(sch: s_tir.Schedule, stage: Stage) -> int:
    names = {sch.get(consumer).name_hint for consumer in sch.get_consumers(stage.rv)}
    return max((each.size() for each in stages(sch) if each.name in names), default=0)


def loops_of(sch: s_tir.Schedule, stage: Stage, axes: Sequence[Axis]) -> list[LoopRV]:
    """The loops of some of a stage's axes; the stage's loops must be as when it was read."""
    loops = sch.get_loops(stage.rv)
    return [loops[axis.position] for axis in axes]


def loops_below(sch: s_tir.Schedule, block: SBlockRV, outer: LoopRV) -> list[LoopRV]:
    """The loops of a block below one of them."""
    loops, place = sch.get_loops(block), sch.get(outer)
    return loops[next(i for i, loop in enumerate(loops) if sch.get(loop).same_as(place)) + 1 :]


def one_loop(
    sch: s_tir.Schedule,
    program: Sequence[Stage],
    rows: Sequence[Sequence[Axis]],
    chunk: int | None = None,
) -> LoopRV:
    """Run the whole program under one loop over the shared axes, and give that loop.

        for i, j: P          for r in range(|i| * |j|): P; Q
        for i, j, k: Q  ->       (Q keeps its loop over k)

    Without shared axes the loop has a single iteration. With `chunk` the last axis is cut into
    pieces of that length: the loop runs over pieces, and within one each stage has its own loop.
    """
    outer: list[LoopRV] = []
    seen: list[tirx.Var] = []
    for index, stage in enumerate(program):
        axes = [row[index] for row in rows]
        if any(axis.var.same_as(var) for axis in stage.axes for var in seen):
            continue  # it stands under the loops of a stage that was handled before it
        seen += [axis.var for axis in axes or stage.axes[:1]]
        outer.append(_outermost(sch, stage, axes, chunk))
    return outer[0] if len(outer) == 1 else sch.merge(*outer)


def _outermost(sch: s_tir.Schedule, stage: Stage, axes: list[Axis], chunk: int | None) -> LoopRV:
    loops = sch.get_loops(stage.rv)
    if not axes:
        return sch.add_unit_loop(loops[0] if loops else stage.rv)
    chosen = [loops[axis.position] for axis in axes]
    rest = [loop for place, loop in enumerate(loops) if place not in {a.position for a in axes}]
    if [axis.position for axis in axes] != list(range(len(axes))):
        sch.reorder(*chosen, *rest)
    if chunk is not None:
        chosen[-1], _ = sch.split(chosen[-1], [None, min(chunk, axes[-1].extent)])
    return sch.fuse(*chosen) if len(chosen) > 1 else chosen[0]


def fused(sch: s_tir.Schedule, block: SBlockRV, loops: Sequence[LoopRV]) -> LoopRV:
    """The loops as one; a loop of one iteration directly around `block` where there are none."""
    if not loops:
        return sch.add_unit_loop(block)
    return sch.fuse(*loops) if len(loops) > 1 else loops[0]


def accumulate_in(sch: s_tir.Schedule, block: SBlockRV, at: LoopRV, scope: str) -> None:
    """Let a reduction accumulate in memory of its own and store its result once, below `at`."""
    copy = sch.cache_write(block, 0, scope)
    place = sch.get(at)
    # Where other stages read the result, TVM has put the copy below their common loop already.
    if not any(sch.get(loop).same_as(place) for loop in sch.get_loops(copy)):
        sch.reverse_compute_at(copy, at, preserve_unit_loops=True)


def private_scratch(mod: tvm.IRModule, scope: str) -> tvm.IRModule:
    """The program with the arrays that opaque bodies keep for themselves in memory `scope`.

    Such a body runs in one thread from beginning to end, so that its arrays are that thread's,
    whatever memory they had in the source. Arrays of the whole program (the root block's) stay.
    """
    func = mod["main"]
    renewed: list[tuple[tirx.Buffer, tirx.Buffer]] = []

    def note(block: s_tir.SBlock) -> None:
        if block.same_as(func.body.block):
            return
        for old in block.alloc_buffers:
            if old.scope() != scope:
                new = tirx.decl_buffer(old.shape, old.dtype, old.name, scope=scope)
                renewed.append((old, new))

    tvm_ffi.structural_walk(func.body, [(s_tir.SBlock, note)])
    if not renewed:
        return mod

    def replace(var: tirx.Var) -> tirx.Var:
        return next((new for old, new in renewed if old.same_as(var)), var)

    body = tvm_ffi.structural_map(func.body, (tirx.Var, replace))
    changed = tirx.PrimFunc(list(func.params), body, func.ret_type, func.attrs)
    return tvm.IRModule({"main": changed}, attrs=mod.attrs)


def in_tiles(
    sch: s_tir.Schedule, stage: Stage, axes: tuple[Axis, Axis], tile: int
) -> tuple[LoopRV, LoopRV, LoopRV]:
    """A stage tile by tile along two of its axes: the loop over tiles and all other axes, then the
    two inside of a tile."""
    loops = sch.get_loops(stage.rv)
    rest = [loops[axis.position] for axis in stage.axes if axis not in axes]
    (outer, inner), (outer_, inner_) = (
        sch.split(loops[axis.position], [None, tile]) for axis in axes
    )
    sch.reorder(*rest, outer, outer_, inner, inner_)
    return fused(sch, stage.rv, [*rest, outer, outer_]), inner, inner_
