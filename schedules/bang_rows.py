"""Programs by rows on MLUs: stages that share axes run one after the other on a row in NRAM."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import tvm
from tvm import s_tir, tirx
from tvm.s_tir.schedule import LoopRV

from xpiler_tvm.dialects.bang import ALIGN, Arch

from .analysis import Axis, Stage, collect, is_parameter, mentions, shared_axes, stages
from .bang_common import NRAM, Model, keep_on_chip, share_out, share_unevenly, steps_of
from .base import Declined, fresh
from .knobs import AS_MODELLED, knob
from .shared_values import with_shared_values
from .steps import (
    CHEAP_CALLS,
    accumulate_in,
    inline_all,
    inline_around,
    is_constant,
    one_loop,
)

CHUNK = 4096
"""Elements of a piece where the last shared axis is the one that runs along memory."""

SHORTEST_CHUNK = 128
"""Elements of such a piece below which starting a copy costs more than the copy."""

ALIGN_ELEMENTS = ALIGN // 4


@dataclass(frozen=True)
class Plan:
    """What `Rows` may do in several ways.

    Attributes
    ----------
    everything : all operands are brought into NRAM as a whole, not only those read repeatedly.
    even : all tasks have as many rows; else all cores have work and the last task less of it.
    batched : operands and results of several rows move in one copy.
    inside : how many of the shared axes are part of a row, the last ones.
    together : each stage computes several rows before the next one begins.
    turned : operands whose memory runs along another axis than the vectors are turned in NRAM.
    """

    everything: bool = False
    even: bool = True
    batched: bool = False
    inside: int = 0
    together: bool = False
    turned: bool = False


PLANS = (
    Plan(everything=True),
    Plan(everything=True, even=False),
    Plan(everything=True, batched=True),
    Plan(everything=True, inside=1),
    Plan(everything=True, inside=2),
    Plan(everything=True, even=False, together=True),
    Plan(everything=True, even=False, turned=True),
    Plan(everything=True, even=False, together=True, turned=True),
)
"""Those that are tried beside the first; the model has the choice."""

MOST_STAGES = 12
"""Programs with more stages take too long to be scheduled in several ways."""

BATCH_BYTES = 64 * 1024
"""Of rows that move in one copy; longer copies gain nothing."""


@dataclass(frozen=True)
class Rows:
    """Each task computes some rows, one after the other; within a row, vectors along memory.

    for i: for k: M[i] max= A[i, k]        for i in my rows: A_nram = A[i, :]
    for i: for j: O[i, j] = g(A, M)   ->       for k: M max= A_nram[k]
                                               for j: O[i, j] = g(A_nram[j], M)

    What stages hand to each other stays in NRAM, and so does what several of them read. Where
    memory runs along the shared axes (a column sum, a pooling over channels last), the last of
    them is cut into pieces that are computed as vectors. A program of one block with an opaque body
    keeps that body: its spatial axes become tasks. One without shared axes is one task.
    """

    arch: Arch
    model: Model | None = None
    name: str = "bang.rows"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        mod = _sharing(mod)
        named = {str(place): plan for place, plan in enumerate((Plan(), *PLANS))}
        chosen = knob("plan of rows", AS_MODELLED, list(named))
        if chosen != AS_MODELLED:
            return self._schedule(mod, named[chosen])
        first = self._schedule(mod, Plan())
        if isinstance(first, Declined) or self.model is None:
            return first
        program = stages(fresh(mod))
        if not _is_plain(program) or len(program) > MOST_STAGES:
            return first
        best, least = first, self.model(first.mod)
        for plan in PLANS:
            with suppress(s_tir.ScheduleError, tvm.error.InternalError):
                other = self._schedule(mod, plan)
                seconds = None if isinstance(other, Declined) else self.model(other.mod)
                if seconds is not None and (least is None or seconds < least):
                    best, least = other, seconds
        return best

    def _schedule(self, mod: tvm.IRModule, plan: Plan) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        program = _inline_cheap(sch)
        rows, across = self._rows(sch, program)
        if self._held(sch, program, rows, across) > self.arch.nram_usable // 2:
            inline_around(sch)
            program = stages(sch)
            rows, across = self._rows(sch, program)
        if self._held(sch, program, rows, across) > self.arch.nram_usable // 2:
            # Even what is read often: it may be all that keeps the stages from sharing axes.
            program = inline_all(sch, kept=True)
            rows, across = self._rows(sch, program)
        if plan.inside:
            if len(rows) <= plan.inside or not _is_plain(program):
                return Declined("there are not so many shared axes")
            rows, across = rows[: -plan.inside], False
        held = self._held(sch, program, rows, across)
        if held > self.arch.nram_usable // 2:
            return Declined(f"a row of intermediates takes {held} bytes of NRAM")
        plain = _is_plain(program)
        chunk = self._chunk(_count(rows[:-1]), rows[-1][0].extent) if across else None
        if plan.together:
            if across or not rows or not plain:
                return Declined("there are no rows to be computed together")
            chunk = self._together(sch, program, rows)
            if chunk < 2:
                return Declined("a task has no rows that fit beside each other")
        points = _count(rows if chunk is None else rows[:-1])
        # TVM moves no copy in a program that overwrites what it has read.
        still = plain and not _overwrites(program)
        shared = self._staged(sch, program, rows, plan.everything, chunk) if still else []

        # Step 1. All stages under one loop over the rows; some rows a task.
        row = one_loop(sch, program, rows, chunk)
        count = (
            _count(rows) if chunk is None else _count(rows[:-1]) * -(-rows[-1][0].extent // chunk)
        )
        share = share_out(count, self.arch) if plan.even else share_unevenly(count, self.arch)
        task, row = sch.split(row, [share, None])
        sch.bind(task, "blockIdx.x")
        batch = 1
        # The copies of results lose the conditions of rows: all batches must be whole, and a row
        # one step of one axis.
        if plan.batched and still and len(rows) == 1:
            batch = self._batch(sch, count // share, points)
        if plan.batched and batch < 2:
            return Declined("a task has no rows that fit beside each other")
        group = row
        if batch > 1:
            group, row = sch.split(row, [None, batch])
        shared_loops = 3 if batch > 1 else 2

        # Step 2. Memory: intermediates, and operands that are read more than once.
        keep_on_chip(sch, points if chunk is None else None)
        copies: list[str] = []
        turned = 0
        for buffer, every_row in shared:
            at = group if every_row else task
            copies.append(self._stage_in(sch, buffer, at))
            other = self._turn(sch, copies[-1], shared_loops) if plan.turned else None
            if other is not None:
                copies.append(other)
                turned += 1
        if plan.turned and not turned:
            return Declined("memory runs along all vectors")
        if batch > 1:
            copies += self._stage_out(sch, group)

        # Step 3. Within each stage, the axis that runs along memory innermost.
        for name in [stage.name for stage in stages(sch)]:
            stage = next(each for each in stages(sch) if each.name == name)
            ordered = any(axis.kind == "O" for axis in stage.axes[shared_loops:])
            if name not in copies and not stage.is_opaque and not ordered:
                self._arrange(sch, stage, shared_loops, sums_outside=plan.inside > 0)
        return sch

    def _batch(self, sch: s_tir.Schedule, own: int, points: int) -> int:
        """How many of a task's `own` rows to hold at a time; a divisor of them."""
        buffers = [param for param in sch.mod["main"].params if tirx.is_buffer_var(param)]
        most = BATCH_BYTES // max(1, sum(_bytes(buffer) for buffer in buffers) // points)
        return max(each for each in range(1, own + 1) if own % each == 0 and each <= max(1, most))

    def _together(
        self, sch: s_tir.Schedule, program: Sequence[Stage], rows: Sequence[Sequence[Axis]]
    ) -> int:
        """How many rows of the last shared axis to compute at a time: a core's share if it fits."""
        points, extent = _count(rows), rows[-1][0].extent
        buffers = [param for param in sch.mod["main"].params if tirx.is_buffer_var(param)]
        one = self._held(sch, program, rows, False) + sum(map(_bytes, buffers)) // points
        fair = -(-points // self.arch.cores)
        return min(extent, fair, BATCH_BYTES // max(1, one))

    def _stage_out(self, sch: s_tir.Schedule, at: LoopRV) -> list[str]:
        """Let results gather in NRAM, to be stored once below `at`; the names of the copies."""
        copies = []
        for stage in stages(sch):
            if not stage.is_opaque and is_parameter(sch, stage.block.writes[0].source):
                copy = sch.cache_write(stage.rv, 0, NRAM)
                sch.reverse_compute_at(copy, at, preserve_unit_loops=True)
                copies.append(sch.get(copy).name_hint)
        return copies

    def _chunk(self, others: int, extent: int) -> int:
        """The length of pieces of the last shared axis: some for each core, but none too short."""
        wanted = -(-others * extent // self.arch.cores)
        piece = -(-min(CHUNK, max(SHORTEST_CHUNK, wanted)) // ALIGN_ELEMENTS) * ALIGN_ELEMENTS
        piece = knob("elements of a piece", piece, (128, 256, 512, 1024, 2048, 4096, 8192))
        return min(piece, extent)

    def _rows(
        self, sch: s_tir.Schedule, program: Sequence[Stage]
    ) -> tuple[list[tuple[Axis, ...]], bool]:
        """The shared axes, and whether memory runs along the last of them."""
        rows = list(shared_axes(program))
        if not rows or not _is_plain(program):
            return rows, False
        longest = max(range(len(program)), key=lambda index: program[index].size())
        vector = _vector_axis(sch, program[longest], program[longest].axes)
        along = [row for row in rows if row[longest] is vector]
        return [row for row in rows if row not in along] + along, bool(along)

    def _held(
        self,
        sch: s_tir.Schedule,
        program: Sequence[Stage],
        rows: Sequence[Sequence[Axis]],
        across: bool,
    ) -> int:
        """Bytes of a row of all intermediates."""
        buffers: list[tirx.Buffer] = []
        for stage in program:
            for region in stage.block.writes:
                known = any(region.source.same_as(each) for each in buffers)
                if not known and not is_parameter(sch, region.source):
                    buffers.append(region.source)
        points = _count(rows[:-1] if across else rows)
        return sum(_bytes(buffer) for buffer in buffers) // points

    def _staged(
        self,
        sch: s_tir.Schedule,
        program: Sequence[Stage],
        rows: Sequence[Sequence[Axis]],
        everything: bool,
        chunk: int | None,
    ) -> list[tuple[tirx.Buffer, bool]]:
        """Parameters to keep in NRAM, and whether each row has its own part of them.

        Those that are read more than once, or `everything` that has room.
        """
        # What is left holds vectors on the way; where it is too little, the model refuses the plan.
        room = self.arch.nram_usable * (3 if everything else 1) // 4
        found: list[tuple[tirx.Buffer, bool]] = []
        for buffer in sch.mod["main"].params:
            if not isinstance(buffer.ty, tirx.BufferType):
                continue
            writers = [s for s in program if _touches(s.block.writes, buffer)]
            readers = [i for i, s in enumerate(program) if _touches(s.block.reads, buffer)]
            # TVM's copies know one region a block; `x[i, j] - x[i, 0]` reads two.
            twice = any(_regions(program[i].block.reads, buffer) > 1 for i in readers)
            if writers or not readers or twice:
                continue
            places = [
                index.min
                for i in readers
                for region in program[i].block.reads
                if region.source.same_as(buffer)
                for index in region.region
            ]
            own = [
                row
                for row in rows
                if any(_mentions_axis(place, row[i]) for place in places for i in readers)
            ]
            every_row = bool(own)
            # A row has its own part along the axes that tell where it reads.
            pieces = _count(own)
            if chunk is not None and rows[-1] in own:
                pieces = _count(own[:-1]) * -(-rows[-1][0].extent // chunk)
            size = _bytes(buffer) // pieces
            often = len(readers) > 1 if every_row else _count(rows) > 1
            if (often or everything) and size <= room:
                room -= size
                found.append((buffer, every_row))
        return found

    def _stage_in(self, sch: s_tir.Schedule, buffer: tirx.Buffer, at: LoopRV) -> str:
        """Copy what the program reads of `buffer` below `at` into NRAM once; the copy's name."""
        readers = [each for each in stages(sch) if _touches(each.block.reads, buffer)]
        first = readers[0]
        place = next(
            i for i, region in enumerate(first.block.reads) if region.source.same_as(buffer)
        )
        copy = sch.cache_read(first.rv, place, NRAM, [each.rv for each in readers])
        sch.compute_at(copy, at, preserve_unit_loops=True)
        return str(sch.get(copy).name_hint)

    def _turn(self, sch: s_tir.Schedule, copied: str, shared_loops: int) -> str | None:
        """Copy an operand in NRAM again, so that it lies along the vectors; the copy's name.

        `None` where it does, or where its readers differ.
        """
        source = sch.get(sch.get_sblock(copied)).writes[0].source
        readers = [each for each in stages(sch) if _touches(each.block.reads, source)]
        places: set[int | None] = set()
        for stage in readers:
            inner = stage.axes[shared_loops:]
            if stage.is_opaque or not inner:
                return None
            vector = _vector_axis(sch, stage, inner)
            places |= {
                _dimension(load, vector)
                for load in collect(stage.block.body.value, tvm.ir.TensorLoad)
                if load.source.same_as(source)
            }
        last = len(source.shape) - 1
        place = next(iter(places)) if len(places) == 1 else None
        if place is None or place == last:
            return None
        first = next(
            i for i, region in enumerate(readers[0].block.reads) if region.source.same_as(source)
        )
        # TVM puts it behind the first copy, below the same loops.
        copy = sch.cache_read(readers[0].rv, first, NRAM, [each.rv for each in readers])

        def along(*indices: tirx.Var) -> list[tirx.Var]:
            return [*indices[:place], *indices[place + 1 :], indices[place]]

        sch.transform_layout(copy, ("write", 0), along)
        return str(sch.get(copy).name_hint)

    def _arrange(
        self, sch: s_tir.Schedule, stage: Stage, shared: int, *, sums_outside: bool
    ) -> None:
        """The first axes are the task and its rows; of the rest the vector axis goes innermost.

        With `sums_outside` whole rows are added up, not one element after the other.
        """
        inner = list(stage.axes[shared:])
        if not inner:
            return
        vector = _vector_axis(sch, stage, inner)
        outer = [axis for axis in inner if axis is not vector]
        kinds = ("R", "S") if sums_outside and vector.kind == "S" else ("S", "R")
        order = [axis for kind in kinds for axis in outer if axis.kind == kind] + [vector]
        loops = sch.get_loops(stage.rv)
        if len(order) > 1:
            sch.reorder(*(loops[axis.position] for axis in order))
        if not stage.is_reduction:
            return
        first = next(place for place, axis in enumerate(order) if axis.kind == "R")
        buffer = stage.block.writes[0].source
        outermost = 0
        if buffer.scope() == "global":
            outermost = first
            loops = sch.get_loops(stage.rv)
            accumulate_in(
                sch, stage.rv, loops[shared - 1 + first], "local" if vector.kind == "R" else NRAM
            )
        sch.decompose_reduction(stage.rv, sch.get_loops(stage.rv)[shared + outermost])


def _sharing(mod: tvm.IRModule) -> tvm.IRModule:
    """With costly values worked out once, unless that leaves fewer rows to share out."""
    changed = with_shared_values(mod)
    if changed.same_as(mod):
        return mod
    before, after = (_count(shared_axes(_inline_cheap(fresh(each)))) for each in (mod, changed))
    return changed if after >= before else mod


def _bytes(buffer: tirx.Buffer) -> int:
    """The size of an array of constant extents."""
    return math.prod(int(extent) for extent in buffer.shape) * (
        tvm.DataType(str(buffer.dtype)).bits // 8 or 1
    )


def _mentions_axis(index: tvm.ir.Expr, axis: Axis) -> bool:
    return axis.iterator is not None and mentions(index, axis.iterator)


def _dimension(load: tvm.ir.TensorLoad, axis: Axis) -> int | None:
    """The one dimension in which a load moves with an axis, element by element."""
    moved = [place for place, index in enumerate(load.indices) if _mentions_axis(index, axis)]
    if len(moved) != 1 or not load.indices[moved[0]].same_as(axis.iterator):
        return None
    return moved[0]


def _overwrites(program: Sequence[Stage]) -> bool:
    """Whether a stage writes an array that an earlier one reads."""
    return any(
        _touches(earlier.block.reads, region.source)
        for place, stage in enumerate(program)
        for region in stage.block.writes
        for earlier in program[:place]
    )


def _regions(regions: Sequence[tirx.BufferRegion], buffer: tirx.Buffer) -> int:
    return sum(region.source.same_as(buffer) for region in regions)


def _touches(regions: Sequence[tirx.BufferRegion], buffer: tirx.Buffer) -> bool:
    return _regions(regions, buffer) > 0


def _count(rows: Sequence[Sequence[Axis]]) -> int:
    return math.prod(row[0].extent for row in rows)


def _inline_cheap(sch: s_tir.Schedule) -> tuple[Stage, ...]:
    """Inline elementwise intermediates, but those that are costly and read by several stages.

    An exponential takes a dozen vector instructions and a row of it has room in NRAM.
    """
    for stage in stages(sch):
        if not stage.is_inlinable or is_parameter(sch, stage.block.writes[0].source):
            continue
        calls = collect(stage.block.body, tvm.ir.Call)
        costly = any(getattr(call.op, "name", "") not in CHEAP_CALLS for call in calls)
        costly = costly and not is_constant(stage)
        if not (costly and len(sch.get_consumers(stage.rv)) > 1):
            with suppress(s_tir.ScheduleError):
                sch.compute_inline(stage.rv)
    return stages(sch)


def _is_plain(program: Sequence[Stage]) -> bool:
    """Whether every stage is one store over spatial and reduction axes."""
    return not any(stage.is_opaque or stage.of_kind("O") for stage in program)


def _vector_axis(sch: s_tir.Schedule, stage: Stage, axes: Sequence[Axis]) -> Axis:
    """The axis along which memory is walked by one element; among equals the innermost."""
    strides = steps_of(sch, stage)
    store = stage.block.body
    loads = collect(store.value, tvm.ir.TensorLoad)
    sizes = [_bytes(buffer) for buffer in (store.buffer, *(load.source for load in loads))]
    return max(axes, key=lambda axis: (_smoothness(strides[axis.position], sizes), axis.position))


def _smoothness(strides: Sequence[int | None], sizes: Sequence[int]) -> int:
    """How well a vector along an axis suits a stage: strides of 0 and 1 do, others do not.

    An access counts by the size of its array: what is large comes from memory off the chip. Where
    the data say what is accessed next there is no copy of several elements at all.
    """
    merit = {0: 0, 1: 1, None: -8}
    pairs = zip(strides, sizes, strict=True)
    return sum(size * merit.get(stride, -1) for stride, size in pairs)
