"""What an engineer does to a raised program with TVM's own primitives, one idea at a time.

    for name, attempt in battery(mod):
        attempt.mod        what is to be executed, None where TVM refused
        attempt.reason     why it refused

| idea      | primitives                                                    | applies to         |
|-----------|---------------------------------------------------------------|--------------------|
| tile      | split by what divides nothing, reorder                        | spatial axes       |
| bind      | reorder, fuse, split, bind to blocks and threads              | spatial axes       |
| vectorize | split, vectorize, parallel, unroll                            | spatial axes       |
| inline    | compute_inline                                                | elementwise stages |
| together  | compute_at of each stage below one loop of the last           | stages in a row    |
| cache     | cache_read, cache_write, compute_at, reverse_compute_at       | stages that read   |
| layout    | transform_layout of an intermediate, or of a copy             | arrays with axes   |
| decompose | decompose_reduction                                           | reductions         |
| rfactor   | split by a divisor, rfactor                                   | reductions         |
| blockize  | split by a divisor, reorder, blockize                         | sums of products   |
| tensorize | the same, and a dot product or multiple of a row in its place | sums of products   |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import tvm
from tvm import s_tir, tirx
from tvm.s_tir import TensorIntrin

from xpiler_tvm.schedules.analysis import (
    Axis,
    Stage,
    collect,
    is_parameter,
    shared_axes,
    stages,
)
from xpiler_tvm.schedules.base import Declined, fresh, unbind
from xpiler_tvm.schedules.matmul import contraction

ODD = 3  # a factor that extents rarely divide by
THREADS = 32
LANES = 4


@dataclass(frozen=True)
class Attempt:
    """A schedule as a program that the CPU can run, or why there is none."""

    mod: tvm.IRModule | None
    reason: str = ""


Idea = Callable[[s_tir.Schedule], bool]


def battery(mod: tvm.IRModule) -> Iterator[tuple[str, Attempt]]:
    """Each idea that applies to a program, on a fresh schedule of it."""
    for name, idea in IDEAS:
        schedule = fresh(mod)
        try:
            if not idea(schedule):
                continue
            yield name, Attempt(unbind(schedule.mod))
        except (s_tir.ScheduleError, tvm.error.InternalError, ValueError, TypeError) as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            yield name, Attempt(None, lines[-1].strip() if lines else type(error).__name__)


def is_schedulable(attempts: Sequence[Attempt]) -> bool:
    """Whether there was something to do, and TVM refused none of it."""
    return bool(attempts) and all(attempt.mod is not None for attempt in attempts)


# ---------------------------------------------------------------- ideas


def _long(axes: Sequence[Axis], least: int = 2) -> list[Axis]:
    return [axis for axis in axes if axis.extent >= least]


def _rows_first(
    sch: s_tir.Schedule, stage: Stage
) -> tuple[list[s_tir.schedule.LoopRV], list[s_tir.schedule.LoopRV]]:
    """The loops over spatial axes, moved outwards, and the others."""
    loops = sch.get_loops(stage.rv)
    rows = [loops[axis.position] for axis in stage.of_kind("S")]
    rest = [loops[axis.position] for axis in stage.axes if axis.kind != "S"]
    if rows and rest:
        sch.reorder(*rows, *rest)
    return rows, rest


def tile(sch: s_tir.Schedule) -> bool:
    applies = False
    for stage in stages(sch):
        loops = sch.get_loops(stage.rv)
        long = _long(stage.of_kind("S"))
        if not long:
            continue
        applies = True
        pairs = [sch.split(loops[axis.position], [None, ODD]) for axis in long[-2:]]
        sch.reorder(*(outer for outer, _ in pairs), *(inner for _, inner in pairs))
    return applies


def bind(sch: s_tir.Schedule) -> bool:
    applies = False
    for stage in stages(sch):
        rows, _ = _rows_first(sch, stage)
        if not rows:
            continue
        applies = True
        outer, inner = sch.split(sch.fuse(*rows) if len(rows) > 1 else rows[0], [None, THREADS])
        sch.bind(outer, "blockIdx.x")
        sch.bind(inner, "threadIdx.x")
    return applies


def vectorize(sch: s_tir.Schedule) -> bool:
    applies = False
    for stage in stages(sch):
        rows, _ = _rows_first(sch, stage)
        if not _long(stage.of_kind("S"), LANES):
            continue
        applies = True
        fused = sch.fuse(*rows) if len(rows) > 1 else rows[0]
        outer, inner = sch.split(fused, [None, LANES])
        sch.parallel(outer)
        if stage.is_injective:
            sch.vectorize(inner)
        else:
            sch.unroll(inner)
    return applies


def inline(sch: s_tir.Schedule) -> bool:
    applies = False
    for stage in stages(sch):
        if stage.is_inlinable and not is_parameter(sch, stage.block.writes[0].source):
            applies = True
            sch.compute_inline(stage.rv)
    return applies


def together(sch: s_tir.Schedule) -> bool:
    program = stages(sch)
    shared = shared_axes(program)
    written = [stage for stage in program if is_parameter(sch, stage.block.writes[0].source)]
    if len(program) < 2 or not shared or len(written) != 1:
        return False
    if any(stage.is_opaque for stage in program):
        return False  # TVM does not see which part of it a row needs
    loops = sch.get_loops(program[-1].rv)
    row = loops[shared[0][-1].position]
    if shared[0][-1].position:
        sch.reorder(row, *(loop for loop in loops if not loop.same_as(row)))
    for stage in reversed(program[:-1]):
        sch.compute_at(stage.rv, row, preserve_unit_loops=True)
    return True


def cache(sch: s_tir.Schedule) -> bool:
    applies = False
    for stage in stages(sch):
        rows, _ = _rows_first(sch, stage)
        # What an opaque block leaves as it was would be lost with a copy of it, and a block that
        # updates what it is given would read its own copy.
        if not rows or stage.is_opaque or _updates(stage):
            continue
        if not is_parameter(sch, stage.block.writes[0].source):
            continue
        applies = True
        out = sch.cache_write(stage.rv, 0, "local")
        sch.reverse_compute_at(out, rows[0])
        for place, region in enumerate(stage.block.reads):
            if not region.source.same_as(stage.block.writes[0].source):
                copy = sch.cache_read(stage.rv, place, "local", [stage.rv])
                sch.compute_at(copy, rows[-1])
    return applies


def _updates(stage: Stage) -> bool:
    """Whether a block uses what it overwrites; raising does not list that as read."""
    written = stage.block.writes[0].source
    loads = collect(stage.block.body, tvm.ir.TensorLoad)
    return not stage.is_reduction and any(load.source.same_as(written) for load in loads)


def layout(sch: s_tir.Schedule) -> bool:
    for stage in stages(sch):
        written = stage.block.writes[0].source
        if is_parameter(sch, written) or len(written.shape) < 2 or stage.is_opaque:
            continue
        sch.transform_layout(stage.rv, ("write", 0), _transposed(len(written.shape)))
        return True
    outputs = [stage.block.writes[0].source for stage in stages(sch)]
    for stage in stages(sch):
        for place, region in enumerate(stage.block.reads):
            source = region.source
            # TVM puts the copy of an array that is written later behind the last writer.
            if any(source.same_as(output) for output in outputs):
                continue
            if is_parameter(sch, source) and len(source.shape) > 1:
                copy = sch.cache_read(stage.rv, place, "global")
                rank = len(source.shape)
                sch.transform_layout(copy, ("write", 0), _transposed(rank))
                return True
    return False


def _transposed(rank: int) -> tirx.IndexMap:
    inputs = [tirx.Var(f"i{place}", "int32") for place in range(rank)]
    return tirx.IndexMap(inputs, inputs[::-1], None)


def decompose(sch: s_tir.Schedule) -> bool:
    applies = False
    for stage in stages(sch):
        if stage.is_reduction:
            applies = True
            _, rest = _rows_first(sch, stage)
            sch.decompose_reduction(stage.rv, rest[0])
    return applies


def rfactor(sch: s_tir.Schedule) -> bool:
    for stage in stages(sch):
        divisible = [axis for axis in stage.of_kind("R") if _divisor(axis)]
        if not stage.is_reduction or not divisible:
            continue
        loop = sch.get_loops(stage.rv)[divisible[0].position]
        _, part = sch.split(loop, [None, _divisor(divisible[0])])
        sch.rfactor(part, 0)
        return True
    return False


def _divisor(axis: Axis) -> int:
    return next((n for n in (4, 8, 2, 3, 5, 7) if axis.extent % n == 0), 0)


def blockize(sch: s_tir.Schedule) -> bool:
    for stage in stages(sch):
        found = contraction(stage)
        if not isinstance(found, Declined):
            loop = _innermost(sch, stage, found.depth[-1])
            if loop is not None:
                sch.blockize(loop)
                return True
    return False


def tensorize(sch: s_tir.Schedule) -> bool:
    for stage in stages(sch):
        found = contraction(stage)
        if isinstance(found, Declined):
            continue
        left, right = (stage.block.reads[place] for place in (found.left, found.right))
        out = stage.block.writes[0]
        for form, axis, plan in (
            ("dot", found.depth[-1], (True, True, False)),
            ("row", found.columns[-1], (False, True, True)),
        ):
            if [_runs(region, axis) for region in (left, right, out)] != list(plan):
                continue
            loop = _innermost(sch, stage, axis)
            if loop is None:
                continue
            first = next(each for each in stage.axes if each.kind == "R")
            intrinsic = _intrinsic(form, *(str(r.source.dtype) for r in (left, right, out)))
            sch.decompose_reduction(stage.rv, sch.get_loops(stage.rv)[first.position])
            sch.tensorize(loop, intrinsic)
            return True
    return False


def _runs(region: tvm.ir.TensorRegion, axis: tirx.IterVar) -> bool:
    """Whether neighbours along an axis are neighbours in memory."""
    return bool(region.region) and region.region[-1].min.same_as(axis.var)


def _innermost(
    sch: s_tir.Schedule, stage: Stage, iterator: tirx.IterVar
) -> s_tir.schedule.LoopRV | None:
    """`LANES` steps of one axis as the innermost loop; None where they do not divide it."""
    for axis in stage.axes:
        if axis.iterator is not None and axis.iterator.same_as(iterator.var):
            if axis.extent % LANES:
                return None
            loops = sch.get_loops(stage.rv)
            outer, inner = sch.split(loops[axis.position], [None, LANES])
            rest = [loop for place, loop in enumerate(loops) if place > axis.position]
            sch.reorder(outer, *rest, inner)
            return inner
    return None


_INTRINSIC = """
@T.prim_func(s_tir=True)
def {name}(
    A: T.Buffer(({na},), "{left}", offset_factor=1),
    B: T.Buffer(({n},), "{right}", offset_factor=1),
    C: T.Buffer(({nc},), "{result}", offset_factor=1),
):
    with T.sblock("root"):
        T.reads(C[0:{nc}], A[0:{na}], B[0:{n}])
        T.writes(C[0:{nc}])
        for k in range({n}):
            with T.sblock("update"):
                vk = T.axis.remap("{kind}", [k])
                C[{c}] = C[{c}] + {a} * {b}
"""


def _intrinsic(form: str, left: str, right: str, result: str) -> str:
    """`dot` of two rows of `LANES` elements, or a `row` times one element, as TVM knows an
    instruction; here it is plain code."""

    def cast(operand: str, dtype: str) -> str:
        return operand if dtype == result else f'T.cast({operand}, "{result}")'

    dot = form == "dot"
    name = f"{form}_{left}_{right}_{result}"
    text = _INTRINSIC.format(
        name=name, n=LANES, na=LANES if dot else 1, nc=1 if dot else LANES,
        left=left, right=right, result=result, kind="R" if dot else "S",
        a=cast("A[vk]" if dot else "A[0]", left), b=cast("B[vk]", right), c="0" if dot else "vk",
    )  # fmt: skip
    description, implementation = (tvm.script.from_source(text) for _ in range(2))
    TensorIntrin.register(name, description, implementation, override=True)
    return name


IDEAS: tuple[tuple[str, Idea], ...] = (
    ("tile", tile),
    ("bind", bind),
    ("vectorize", vectorize),
    ("inline", inline),
    ("together", together),
    ("cache", cache),
    ("layout", layout),
    ("decompose", decompose),
    ("rfactor", rfactor),
    ("blockize", blockize),
    ("tensorize", tensorize),
)
