"""Sums of products on a CPU: the right operand packed in panels, results in registers.

    pack B[K, N] as [N / nr][K / g][nr][g]
    for j0 (columns that stay in the second cache), i0 (rows):               parallel
        for j (nr columns): for i (mr rows): for k: C_local[mr, nr] += A[i, k] * B[k, j]

`g` neighbours in depth go into one instruction: 1 for a multiply-add, 2 or 4 for the dot products
of AVX512-VNNI. A is read where it lies if `mr` divides the rows and depth runs along memory, so
that matrices and convolutions over channels need no copy; else a block of its rows is gathered
first, as rows of depth. Where one block has all rows, each panel of B is packed right before it is
used, and stays in the second cache.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

import tvm
from tvm import s_tir, tirx
from tvm.s_tir.schedule import LoopRV, SBlockRV

from . import intrinsics
from .analysis import Stage, collect, extent_of, is_parameter, mentions, stages
from .base import Declined, fresh
from .borders import with_borders
from .compensation import compensated
from .cpu_limits import WORTH_THREADS, CpuLimits
from .cpu_loops import order_loops
from .cpu_packing import has_windows, is_of_lines, order_panel, order_panels
from .joined_lines import Joined, with_joined_lines
from .knobs import knob
from .matmul import Contraction, contraction, find_contraction, normalize
from .steps import inline_around

ROWS = 256
"""Rows of the left operand that pass by one panel of the right one before the next panel."""
HEIGHTS = (8, 9, 7, 10, 6, 12, 5, 4)
"""Rows of a tile in registers, best first: enough sums in flight to hide an addition's latency."""


@dataclass(frozen=True)
class Plan:
    """How a contraction is cut: a tile of `mr` x `nr`, `panels` tiles down and `tiles` across.

    `group` steps of depth make one instruction; `direct` says that the left operand is read where
    it lies, `packed` that the right one is not.
    """

    mr: int
    nr: int
    panels: int
    tiles: int
    group: int
    direct: bool
    packed: bool = True


@dataclass(frozen=True)
class Matmul:
    """One sum of products by multiply-adds."""

    limits: CpuLimits
    name: str = "cpu.matmul"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        bordered = with_borders(mod)
        sch, beside = fresh(bordered.mod), bordered.names
        found = oriented(sch, find_contraction(sch))
        if isinstance(found, Declined):
            return found
        lanes = self.limits.lanes(str(found.stage.block.writes[0].source.dtype))
        joined = with_joined_lines(bordered.mod, 2 * lanes)
        if joined is not None and _is_worth_joining(found, joined, lanes):
            sch = fresh(joined.mod)
            found = oriented(sch, find_contraction(sch))
            if isinstance(found, Declined):
                return found
            beside = joined.names
        _, rows, columns, depth = found.extents()
        if rows < 2 or columns < lanes or depth < 4:
            return Declined(f"{rows} x {columns} x {depth} is too thin for tiles")
        found = by_lines(found, lanes)
        cut = plan(found, self.limits, lanes, 1)
        return tiled(sch, found, cut, beside=_schedule_beside(sch, beside))


@dataclass(frozen=True)
class DotProducts:
    """Bytes or words summed in int32, by the instructions of AVX512-VNNI.

    They multiply neighbours in depth of a row of A with those of sixteen columns of B and add the
    products to sixteen sums.
    """

    limits: CpuLimits
    name: str = "cpu.vnni"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        if not self.limits.vnni:
            return Declined("the processor has no dot products of bytes")
        bordered = with_borders(mod)
        sch, before = fresh(bordered.mod), bordered.names
        found = oriented(sch, find_contraction(sch))
        if isinstance(found, Declined):
            return found
        if types_of(found) == ["int8", "int8", "int32"]:
            form = compensated(bordered.mod, found)
            if form is None:
                return Declined("sums of signed bytes so deep may not fit int32 when compensated")
            sch = fresh(form.mod)
            product = contraction(next(s for s in stages(sch) if s.name == form.product))
            found = oriented(sch, product)
            assert isinstance(found, Contraction)
            before = (*before, form.unsigned, form.sums)
        *dtypes, summed = types_of(found)
        dot = intrinsics.DOT_PRODUCTS.get((dtypes[0], dtypes[1]))
        if dot is None or summed != "int32":
            return Declined(f"no instruction sums {' by '.join(dtypes)} in {summed}")
        _, rows, columns, depth = found.extents()
        if columns < dot.lanes or depth < dot.group:
            return Declined(f"{rows} x {columns} x {depth} is too thin for vectors")
        cut = plan(found, self.limits, dot.lanes, dot.group)
        return tiled(sch, found, cut, dot, _schedule_beside(sch, before))


def _is_worth_joining(found: Contraction, joined: Joined, lanes: int) -> bool:
    """Whether joined lines fill vectors better than lines by themselves, where these are tiles."""
    apart = joined.length / (-(-joined.length // (2 * lanes)) * 2 * lanes)
    apart = apart if len(by_lines(found, lanes).columns) == 1 else 0.0
    usual = "joined" if joined.worth > 1.05 * apart else "apart"
    return knob("lines of images", usual, ("joined", "apart")) == "joined"


def types_of(found: Contraction) -> list[str]:
    """Of the left operand, the right one and the result."""
    block = found.stage.block
    reads = [block.reads[place].source for place in (found.left, found.right)]
    return [str(buffer.dtype) for buffer in (*reads, block.writes[0].source)]


def _schedule_beside(sch: s_tir.Schedule, names: Collection[str]) -> tuple[SBlockRV, ...]:
    """What is worked out before the product, or behind it: each stage by itself, along memory."""
    found = [stage for stage in stages(sch) if stage.name in names]
    for stage in found:
        if stage.is_injective and stage.size() >= WORTH_THREADS:
            sch.parallel(sch.get_loops(stage.rv)[0])
        order_loops(sch, stage, int(stage.is_injective))
    return tuple(stage.rv for stage in found)


def oriented(sch: s_tir.Schedule, found: Contraction | Declined) -> Contraction | Declined:
    """The contraction with the operand as its right one that runs along the result's memory."""
    if isinstance(found, Declined):
        return found
    last = _along_result(sch, found.stage)
    along = [any(mentions(last, each.var) for each in g) for g in (found.rows, found.columns)]
    if along != [True, False]:
        return found
    return dataclasses.replace(
        found,
        left=found.right,
        right=found.left,
        left_runs=found.right_runs,
        right_runs=found.left_runs,
        rows=found.columns,
        columns=found.rows,
    )


def by_lines(found: Contraction, lanes: int) -> Contraction:
    """Columns that are points of an image: each of its lines by itself, as a batch.

    A window moves along the memory of a line: its columns are then gathered by whole vectors. For
    lines of which vectors would be filled less than two thirds this would cost more than it saves.
    """
    *outer, last = found.columns
    buffer = found.stage.block.reads[found.right].source
    loads = [
        load
        for load in collect(found.stage.block.body, tvm.ir.TensorLoad)
        if load.source.same_as(buffer)
    ]
    length = extent_of(last.dom)
    padded = -(-length // (2 * lanes)) * 2 * lanes
    along = all(mentions(load.indices[-1], last.var) for load in loads)
    # Two batches, of which the left operand has one, would be no batch of products.
    if not outer or found.batch or not found.right_runs or not along or 3 * length < 2 * padded:
        return found
    return dataclasses.replace(found, batch=(*found.batch, *outer), columns=(last,))


def _along_result(sch: s_tir.Schedule, stage: Stage) -> tvm.ir.Expr:
    """The index of a stage's result along memory, where an elementwise consumer will store it."""
    written = stage.block.writes[0]
    own = [index.min for index in written.region]
    consumers = [each for each in stages(sch) if _reads(each, written.source)]
    if is_parameter(sch, written.source) or len(consumers) != 1 or not consumers[0].is_injective:
        return own[-1]
    (consumer,) = consumers
    end = consumer.block.writes[0].region[-1].min
    for load in collect(consumer.block.body, tvm.ir.TensorLoad):
        if load.source.same_as(written.source):
            places = [at for at, index in enumerate(load.indices) if index.same_as(end)]
            return own[places[0]] if places else own[-1]
    return own[-1]


def _reads(stage: Stage, buffer: tirx.Buffer) -> bool:
    return any(region.source.same_as(buffer) for region in stage.block.reads) and not any(
        region.source.same_as(buffer) for region in stage.block.writes
    )


def plan(found: Contraction, limits: CpuLimits, lanes: int, group: int) -> Plan:
    """The cut of a contraction for registers of `lanes` results."""
    _, rows, columns, depth = found.extents()
    name, last = found.stage.name, extent_of(found.rows[-1].dom)
    across = -(-columns // lanes)
    vectors = min(2 if rows > 4 else limits.registers // 8, across)
    vectors = knob(f"{name}: vectors of a tile", max(1, vectors), range(1, min(4, across) + 1))
    nr = lanes * vectors
    heights = [height for height in HEIGHTS if 2 * height <= limits.registers * 3 // 4]
    fitting = [height for height in heights if last % height == 0] or [last] * (last < 5)
    direct = bool(fitting) and _is_in_place(found, group)
    ways = ("in place", "gathered") if direct else ("gathered",)
    direct = knob(f"{name}: left operand", ways[0], ways) == "in place"
    if direct:
        taller = [height for height in (14, 16, 20, 24, 28) if last % height == 0]
        mr = knob(f"{name}: rows of a tile", fitting[0], [*fitting, *taller])
    else:
        last = rows
        usual = [height for height in heights if 4 < height <= 8]
        mr = min(usual, key=lambda height: -(-rows // height) * height * (height + 2) / height)
        mr = min(knob(f"{name}: rows of a tile", mr, heights), rows)
    panels = -(-last // mr)
    block_rows = knob(f"{name}: rows of a block", ROWS, (16, 32, 64, 128, 256, 512))
    if direct:
        most = max(count for count in range(1, max(1, block_rows // mr) + 1) if panels % count == 0)
    else:
        most = _even(panels, max(1, block_rows // mr))
    size = tvm.DataType(str(found.stage.block.reads[found.right].source.dtype)).bits // 8
    # Lines of an image are gathered a tile at a time: each is used at once, out of the first cache.
    by_tiles = direct and is_of_lines(found)
    # Or not at all: neighbouring windows have most elements in common.
    packed = True
    if by_tiles and columns % nr == 0:
        packed = knob(f"{name}: right operand", "in place", ("in place", "packed")) == "packed"
    tiles, usual_bytes = -(-columns // nr), nr * depth * size if by_tiles else limits.panel_bytes
    panel = knob(
        f"{name}: bytes of a panel", usual_bytes, [usual_bytes * n // 16 for n in (1, 2, 4, 8, 32)]
    )
    across = panel // (nr * depth * size)
    if not packed:
        across = max(n for n in range(1, max(1, across) + 1) if tiles % n == 0)
    return Plan(mr, nr, most, _even(tiles, across), group, direct, packed)


def _even(count: int, most: int) -> int:
    """How many of `count` a block of at most `most` takes: as many as waste nothing, unless these
    are less than half of `most`; then so many that blocks waste little."""
    whole = (each for each in range(max(1, most), most // 2, -1) if count % each == 0)
    blocks = -(-count // max(1, most))
    return next(whole, -(-count // blocks))


def _is_in_place(found: Contraction, group: int) -> bool:
    """Whether the left operand can be read where it lies, `group` neighbours in depth at once.

    One at a time it can be whatever its layout.
    """
    block = found.stage.block
    buffer = block.reads[found.left].source
    last = found.depth[-1]
    loads = [load for load in collect(block.body, tvm.ir.TensorLoad) if load.source.same_as(buffer)]
    if len(loads) != 1 or extent_of(last.dom) % group or not loads[0].indices:
        return False
    if str(buffer.dtype) != str(block.writes[0].source.dtype) and group == 1:
        return False  # its conversion would be repeated for every tile across
    if group == 1:
        return True
    *outer, inner = loads[0].indices
    rest = tvm.sym.Analyzer().simplify(inner - last.var)
    return not any(mentions(index, last.var) for index in (*outer, rest))


def tiled(
    sch: s_tir.Schedule,
    found: Contraction,
    cut: Plan,
    dot: intrinsics.DotProduct | None = None,
    beside: Sequence[SBlockRV] = (),
) -> s_tir.Schedule:
    """The schedule described above; with `dot` the innermost loops become that instruction.

    Blocks `beside` stay as they are.
    """
    batch, rows, columns, depth = found.extents()
    mr, nr, group = cut.mr, cut.nr, cut.group

    # Step 1. C[b, i, j] += A[b, i, k] * B[b, k, j] with padded sizes; i and k may be several axes.
    left, right = (0, 1) if found.left < found.right else (1, 0)
    main = normalize(sch, found, apart=cut.direct)
    down = len(found.rows) if cut.direct else 1
    deep = len(found.depth) if cut.direct else 1
    panel_rows = mr * cut.panels
    padded = [1] * down + [nr * cut.tiles] + [1] * deep
    if not cut.direct:
        padded[0], padded[-1] = panel_rows, group
    sch.pad_einsum(main, [1, *padded])
    keep = list(beside)
    packed_right = sch.cache_read(main, right, "global") if cut.packed else None

    def panelled(b: tirx.Var, *rest: tirx.Var) -> list[tvm.ir.Expr]:
        *outer, k, j = rest
        if group == 1:
            return [b, j // nr, *outer, k, j % nr]
        return [b, j // nr, *outer, k // group, j % nr, k % group]

    if packed_right is not None:
        keep.append(packed_right)
        order = tirx.IndexMap.from_func(panelled, ndim=2 + deep, index_dtype="int32")
        sch.transform_layout(main, ("read", right), order)
    if not cut.direct:
        packed_left = sch.cache_read(main, left, "global")
        keep.append(packed_left)

    # Step 2. Tiles: mr x nr results at a time stay in registers while k runs.
    b, *axes = sch.get_loops(main)
    above, (i, j), ks = axes[: down - 1], axes[down - 1 : down + 1], axes[down + 1 :]
    block, panel, own_i = sch.split(i, [None, cut.panels, mr])
    j_block, tile, own_j = sch.split(j, [None, cut.tiles, nr])
    *outer_ks, k = ks
    steps, step = sch.split(k, [None, group])
    inner: list[LoopRV] = [own_i, own_j]
    if dot is not None:
        vector, lane = sch.split(own_j, [None, dot.lanes])
        inner = [own_i, vector, lane, step]
        sch.reorder(b, j_block, *above, block, tile, panel, *outer_ks, steps, *inner)
        sch.unroll(vector)
    else:
        sch.reorder(b, j_block, *above, block, tile, panel, *outer_ks, steps, step, *inner)
        sch.vectorize(own_j)
    outer = sch.fuse(b, j_block, *above, block)
    sch.unroll(own_i)
    stored = sch.cache_write(main, 0, "local")
    sch.reverse_compute_at(stored, panel, preserve_unit_loops=True)
    sch.vectorize(sch.get_loops(stored)[-1])
    if not cut.direct:
        sch.compute_at(packed_left, outer, preserve_unit_loops=True)
    once = down == 1 and cut.panels * mr >= rows and dot is None
    packing = None
    if packed_right is None:
        pass
    elif once and not has_windows(found):
        sch.compute_at(packed_right, tile, preserve_unit_loops=True)
        order_panel(sch, packed_right, found.right_runs, nr, even=columns % (nr * cut.tiles) == 0)
    elif once and cut.direct and is_of_lines(found):
        sch.compute_at(packed_right, outer, preserve_unit_loops=True)
        j_tile, _ = sch.split(sch.get_loops(packed_right)[-1], [None, nr])
        sch.unroll(j_tile)  # what ends within a tile is a test in one copy alone
    else:
        packing = order_panels(sch, packed_right, found.right_runs, nr, group)
    if batch * rows * columns * depth >= WORTH_THREADS:
        sch.parallel(outer)
        if packing is not None:
            sch.parallel(packing)
    start = sch.decompose_reduction(main, (outer_ks or [steps])[0])
    sch.vectorize(sch.get_loops(start)[-1])
    if dot is not None:
        sch.tensorize(lane, dot.register(right_first=left > right))
    inline_around(sch, keep=keep)
    _finish_tiles(sch, stored)
    return sch


def _finish_tiles(sch: s_tir.Schedule, stored: SBlockRV) -> None:
    """Put what is made of the results and of other values element by element where they are stored.

        T[i, j] = ...;  C[i, j] = T[i, j] - 128 * S[j]   ->   C[i, j] = ... - 128 * S[j]

    TVM inlines consumers of one array only. The others are not shown to it, if they are complete
    before the product begins.
    """
    program = stages(sch)
    own = next(
        place for place, stage in enumerate(program) if sch.get(stage.rv).same_as(sch.get(stored))
    )
    consumers = [sch.get(block).name_hint for block in sch.get_consumers(stored)]
    found = [stage for stage in program if stage.name in consumers]
    if len(found) != 1 or not found[0].is_injective:
        return
    result = program[own].block.writes[0].source
    reads = [region.source for region in found[0].block.reads]
    others = [place for place, source in enumerate(reads) if not source.same_as(result)]
    late = [stage.block.writes[0].source for stage in program[own:]]
    if any(reads[place].same_as(source) for place in others for source in late):
        return
    with suppress(s_tir.ScheduleError):
        for schedule in (sch.copy(), sch):  # what TVM refuses must not leave them hidden
            schedule.unsafe_hide_buffer_access(found[0].rv, "read", others)
            schedule.reverse_compute_inline(found[0].rv)
