"""Rows on GPUs: programs whose stages share axes, a thread or a team of threads for each row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import tvm
from tvm import s_tir, tirx
from tvm.s_tir.schedule import LoopRV

from xpiler_tvm import tir

from .analysis import (
    Axis,
    Stage,
    accesses,
    coupled_buffers,
    elements,
    extent_of,
    is_parameter,
    mentions,
    plain_axis,
    runs_along,
    shared_axes,
    stages,
)
from .base import Declined, fresh
from .gpu_device import GpuLimits
from .gpu_vectors import VECTOR_BYTES, fetch_together
from .knobs import knob
from .steps import (
    accumulate_in,
    fused,
    inline_injective,
    loops_below,
    one_loop,
    private_scratch,
)


@dataclass(frozen=True)
class ThreadPerRow:
    """One thread for each point of the shared axes; what is left runs in order in that thread.

    This fits short rows, pooling windows and columns, and takes any program of one block. Values
    that stages hand to each other live in the thread's own memory.
    """

    name: str = "gpu.threads"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(private_scratch(mod, "local"))
        program = inline_injective(sch)
        rows = shared_axes(program)
        if not rows and len(program) > 1:
            return Declined("the stages share no axis that they could be divided along")
        count = _count(rows)
        usual = 256 if count >= 1 << 16 else 64 if count >= 64 else count
        threads = knob("threads of a block", usual, (32, 64, 128, 256, 512))
        block, thread = sch.split(one_loop(sch, program, rows), [None, threads])
        sch.bind(block, "blockIdx.x")
        sch.bind(thread, "threadIdx.x")
        alone = _lone_writers(program)
        for stage in stages(sch):
            _set_scope(sch, stage, "local")
            if stage.is_reduction and stage.name in alone:
                _accumulate_in_registers(sch, stage, stage.axes[2:])
        return sch


LEAST_NEIGHBOURS = 8
"""Threads beside each other that fill what memory is read in, 32 bytes, with numbers of four."""

MOST_APART = 4
"""Elements between what neighbouring threads read, of which most is then used by some thread."""


@dataclass(frozen=True)
class TeamPerRow:
    """A team of threads for each point of the shared axes: softmax, normalisation, attention.

        for i: for k: M[i] max= A[i, k]        blockIdx.x = i: threadIdx.x = k: max over the threads
        for i: for k: S[i] += f(A, M)     ->                   threadIdx.x = k: sum over the threads
        for i: for j: O[i, j] = g(A, M, S)                     threadIdx.x = j: O[i, j] = g(A, M, S)

    Where memory runs along the rows (a column sum), neighbouring threads take neighbouring rows and
    the team is along `threadIdx.y`.
    """

    limits: GpuLimits
    name: str = "gpu.rows"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        program = inline_injective(sch)
        if any(stage.is_opaque or stage.of_kind("O") for stage in program):
            return Declined("a stage's body is opaque, so that it runs in one thread")
        rows = shared_axes(program)
        count = _count(rows)
        inner = max(stage.size() for stage in program) // count
        across = bool(rows) and runs_along(program, rows[-1])
        # Threads that each take a row then read side by side, too.
        beside = across or (bool(rows) and _side_by_side(program, rows[-1]))
        if inner <= (32 if beside and count >= 1 << 14 else 8):
            return Declined(f"a row of {inner} steps is too short for several threads")
        if not rows and len(program) > 1 and inner > 1 << 18:
            return Declined("the stages share no axis, and one block would be too slow")
        for buffer in coupled_buffers(program):
            if is_parameter(sch, buffer) and not _each_at_its_place(program, buffer):
                return Declined(
                    f"threads would have to wait for what others write to {buffer.name}"
                )
        team, together = self._team(count, inner, across)
        most = self.limits.max_threads // together
        sizes = [each for each in (8, 16, 32, 64, 128, 256, 512, 1024) if each <= most]
        team = knob("threads of a row", team, sizes if across else sizes[2:])
        if across and together < LEAST_NEIGHBOURS:
            return Declined("neighbouring rows do not divide into blocks")

        # Step 1. All stages under one loop over the rows; some rows a block.
        row = one_loop(sch, program, rows)
        block, member = sch.split(row, [None, together])
        sch.bind(block, "blockIdx.x")
        sch.bind(member, "threadIdx.x" if across else "threadIdx.y")
        alone = _lone_writers(program)

        # Step 2. Rows that several stages read come to shared memory first, as vectors.
        fetched = set() if across else self._fetch_rows(sch, rows, block, team, together)

        # Step 3. Within each stage, the team's threads.
        thread_axis = "threadIdx.y" if across else "threadIdx.x"
        for stage in stages(sch):
            if stage.name not in fetched:
                self._share_out(sch, stage, team, thread_axis, stage.name in alone)
        return sch

    def _team(self, count: int, inner: int, across: bool) -> tuple[int, int]:
        """Threads for each row, and rows for each block. Rows must divide evenly: a row that is
        left out would leave its threads out of the block's barriers."""
        if across:
            together = _power_of_two_in(count, self.limits.warp)
            # Few columns need long teams: only threads keep the memory busy.
            wanted = 8 if count >= 1 << 14 else 16 if count >= 1 << 13 or inner < 1 << 9 else 32
            return min(wanted, self.limits.max_threads // together), together
        if inner <= 1024:
            return self.limits.warp, _power_of_two_in(count, 256 // self.limits.warp)
        few_rows = count < 256 and inner >= 1 << 14
        return (self.limits.max_threads if few_rows else 256), 1

    def _fetch_rows(
        self,
        sch: s_tir.Schedule,
        rows: Sequence[Sequence[Axis]],
        block: LoopRV,
        team: int,
        together: int,
    ) -> set[str]:
        """Let a block fetch its rows once, where they are read several times and fit; the copies.

        for k: M[i] max= A[i, k]              for k: A_shared[k] = A[i, k]
        for k: S[i] += exp(A[i, k] - M[i])  ->  for k: M[i] max= A_shared[k]
                                              for k: S[i] += exp(A_shared[k] - M[i])
        """
        budget = self.limits.shared_bytes * 2 // 3
        fetched: set[str] = set()
        for buffer in sch.mod["main"].params:
            users = [
                (stage, place)
                for stage in stages(sch)
                for place, region in enumerate(stage.block.reads)
                if region.source.same_as(buffer)
            ]
            if len(users) < 2 or any(_writes(stage, buffer) for stage in stages(sch)):
                continue
            row = _whole_row(*users[0])
            if row is None or any(_whole_row(*user) != row for user in users):
                continue
            size = tvm.DataType(str(buffer.dtype)).bits // 8
            used = together * row * size
            if not rows or used > budget:
                continue
            first, place = users[0]
            readers = [stage.rv for stage, _ in users]
            staged = sch.cache_read(first.rv, place, "shared", readers)
            sch.compute_at(staged, block, preserve_unit_loops=True)
            loops = loops_below(sch, staged, block)
            if math.prod(extent_of(sch.get(loop)) for loop in loops) > together * row:
                sch.compute_inline(staged)  # TVM does not see which rows these are
                continue
            budget -= used
            lanes = VECTOR_BYTES // size
            while row % lanes:
                lanes //= 2
            threads = [("threadIdx.y", together), ("threadIdx.x", team)]
            fetch_together(sch, staged, loops, threads, lanes)
            fetched.add(sch.get(staged).name_hint)
        return fetched

    def _share_out(
        self, sch: s_tir.Schedule, stage: Stage, team: int, thread_axis: str, alone: bool
    ) -> None:
        """Divide a stage's work in a row among the team, and place its result if it is no output.

        Three ways, by what is left to do in a row:

        - a few sums: all threads add up each, and every thread gets the results in registers;
        - one value: every thread computes it for itself, in a register;
        - many values: a thread each in turn, in shared memory.

        Only the last needs a barrier. TVM would leave it out in the first two, had they their
        values in shared memory: it takes what is indexed by `threadIdx.y` for a thread's own.
        """
        loops = sch.get_loops(stage.rv)
        spatial = [axis for axis in stage.axes[2:] if axis.kind == "S"]
        reduced = [axis for axis in stage.axes[2:] if axis.kind == "R"]
        points = _count([(axis,) for axis in spatial])
        order = [loops[axis.position] for axis in (*spatial, *reduced)]
        output = any(is_parameter(sch, region.source) for region in stage.block.writes)
        if len(order) > 1:
            sch.reorder(*order)
        if stage.is_reduction and points < team // 2:
            _set_scope(sch, stage, "local")
            _, thread = sch.split(fused(sch, stage.rv, order[len(spatial) :]), [None, team])
            sch.bind(thread, thread_axis)
            return
        if points == 1 and not output:
            _set_scope(sch, stage, "local")
            return
        _set_scope(sch, stage, "shared")
        if spatial:
            loop = fused(sch, stage.rv, order[: len(spatial)])
        else:
            loop = sch.add_unit_loop(order[0] if order else stage.rv)
        _, thread = sch.split(loop, [None, team])
        sch.bind(thread, thread_axis)
        if stage.is_reduction and alone:
            _accumulate_in_registers(sch, stage, reduced)


def _writes(stage: Stage, buffer: tirx.Buffer) -> bool:
    return any(region.source.same_as(buffer) for region in stage.block.writes)


def _whole_row(stage: Stage, place: int) -> int | None:
    """The length of the rows that a stage reads of an operand, element by element.

    `None` where it reads anything but whole rows along an axis of its own.
    """
    *_, last = stage.block.reads[place].region or (None,)
    axis = plain_axis(stage, last) if last is not None else None
    extent = int(stage.block.reads[place].source.shape[-1]) if axis else 0
    return extent if axis is not None and axis.extent == extent else None


def _side_by_side(program: Sequence[Stage], row: Sequence[Axis]) -> bool:
    """Whether neighbouring rows read what lies side by side: windows over the same array."""
    longest = max(range(len(program)), key=lambda index: program[index].size())
    moved = row[longest].iterator
    regions = [region for region in program[longest].block.reads if len(region.region)]
    if moved is None or not regions:
        return False
    largest = max(regions, key=lambda region: elements(region.source))
    *outer, last = largest.region
    following = tir.substitute(last.min, {moved: moved + 1})
    step = tir.as_const(tvm.sym.Analyzer().simplify(following - last.min))
    beside = step is not None and 1 <= step <= MOST_APART
    return beside and not any(mentions(index.min, moved) for index in outer)


def _each_at_its_place(program: Sequence[Stage], buffer: tirx.Buffer) -> bool:
    """Whether all stages touch an output elementwise in the same order of axes.

    A thread then meets no values but its own. Barriers order accesses to shared memory alone.
    """
    orders = set()
    for stage in program:
        for region in accesses(stage, buffer):
            axes = [plain_axis(stage, index) for index in region.region]
            if stage.is_reduction or None in axes or len(axes) != len(stage.axes):
                return False
            orders.add(tuple((axis.position, axis.extent) for axis in axes if axis))
    return len(orders) == 1


def _accumulate_in_registers(sch: s_tir.Schedule, stage: Stage, tail: Sequence[Axis]) -> None:
    """Sum in a register, store once, and set the register before the loops that sum.

    `tail` are the innermost axes, among them all that are summed over.
    """
    first = next(place for place, axis in enumerate(tail) if axis.kind == "R")
    loops = sch.get_loops(stage.rv)
    place = len(loops) - len(tail) + first
    if sch.get(stage.rv).writes[0].source.scope() != "local":
        accumulate_in(sch, stage.rv, loops[place - 1], "local")
    sch.decompose_reduction(stage.rv, loops[place])


def _set_scope(sch: s_tir.Schedule, stage: Stage, scope: str) -> None:
    """Move what a stage writes, outputs apart, to a memory of the device."""
    for place, region in enumerate(sch.get(stage.rv).writes):
        if not is_parameter(sch, region.source) and region.source.scope() != scope:
            sch.set_scope(stage.rv, place, scope)


def _lone_writers(program: Sequence[Stage]) -> set[str]:
    """The stages that write one buffer which no other stage writes."""
    written = [region.source for stage in program for region in stage.block.writes]
    return {
        stage.name
        for stage in program
        if len(stage.block.writes) == 1
        and sum(stage.block.writes[0].source.same_as(buffer) for buffer in written) == 1
    }


def _count(rows: Sequence[Sequence[Axis]]) -> int:
    count = 1
    for row in rows:
        count *= row[0].extent
    return count


def _power_of_two_in(number: int, most: int) -> int:
    """The largest power of two, up to `most`, that divides `number`."""
    while number % most:
        most //= 2
    return most
