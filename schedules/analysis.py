"""What a raised program is made of: stages, their axes, and the patterns among them.

Nothing here changes a program. A *stage* is a leaf SBlock under the loops that run it; an *axis* is
one of those loops. Rules ask questions about stages and act on the schedule themselves.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.s_tir.schedule import SBlockRV

from xpiler_tvm import tir

AxisKind = Literal["S", "R", "O"]

DYNAMIC = 1 << 20
"""The extent assumed for a loop whose extent is known at run time only: a long one."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One loop above a block.

    `var` is the loop's variable and `position` its depth, 0 outermost. `kind` is `S` where the loop
    feeds spatial iterators alone, `R` where it feeds reductions alone, `O` otherwise. `iterator` is
    the block iterator bound to exactly this loop, if there is one.
    """

    var: tirx.Var
    position: int
    extent: int
    kind: AxisKind
    feeds: tuple[tirx.Var, ...]
    iterator: tirx.Var | None


@dataclass(frozen=True, eq=False)
class Stage:
    """A leaf block, with its loops outermost first.

    `guard` is the condition under which an iteration runs at all, in the block's iterators.
    """

    rv: SBlockRV
    block: s_tir.SBlock
    axes: tuple[Axis, ...]
    guard: tvm.ir.Expr

    @property
    def name(self) -> str:
        return str(self.block.name_hint)

    def of_kind(self, kind: AxisKind) -> tuple[Axis, ...]:
        return tuple(axis for axis in self.axes if axis.kind == kind)

    @property
    def is_reduction(self) -> bool:
        """Whether it accumulates: it has reduction axes and says what they start from."""
        return self.block.init is not None and any(axis.kind == "R" for axis in self.axes)

    @property
    def is_injective(self) -> bool:
        """Whether it is one store of a value at its own index, free of any order."""
        return (
            isinstance(self.block.body, tirx.BufferStore)
            and self.block.init is None
            and all(axis.kind == "S" for axis in self.axes)
        )

    @property
    def is_inlinable(self) -> bool:
        """Whether its readers may compute it themselves."""
        return self.is_injective and tir.KEPT not in self.block.annotations

    @property
    def is_opaque(self) -> bool:
        """Whether its body is more than one store: what it does inside is its own affair."""
        return not isinstance(self.block.body, tirx.BufferStore)

    def size(self, kind: AxisKind | None = None) -> int:
        """The number of iterations of the axes of one kind, or of all."""
        return math.prod(axis.extent for axis in self.axes if kind in (None, axis.kind))


def stages(sch: s_tir.Schedule) -> tuple[Stage, ...]:
    """The leaf blocks of `main`, in program order."""
    root = sch.mod["main"].body.block
    realizes: list[s_tir.SBlockRealize] = []
    tvm_ffi.structural_walk(sch.mod["main"].body, [(s_tir.SBlockRealize, realizes.append)])
    found = []
    for rv in sch.get_child_blocks(sch.get_sblock(root.name_hint)):
        block = _get(sch, rv)
        realize = next(each for each in realizes if each.block.same_as(block))
        loops = [_get(sch, loop) for loop in sch.get_loops(rv)]
        axes = tuple(_axis(place, loop, realize) for place, loop in enumerate(loops))
        found.append(Stage(rv, block, axes, _guard(realize, axes)))
    return tuple(found)


_get = inspect.unwrap(s_tir.Schedule.get)
"""Without TVM's look at the types of arguments, which takes longer than the rest."""


def _guard(realize: s_tir.SBlockRealize, axes: Sequence[Axis]) -> tvm.ir.Expr:
    """The block's condition with iterators for loop variables; true where that cannot be said."""

    def iterator_of(var: tirx.Var) -> tirx.Var:
        found = (axis.iterator for axis in axes if axis.var.same_as(var))
        return next((iterator for iterator in found if iterator is not None), var)

    guard = tvm_ffi.structural_map(realize.predicate, (tirx.Var, iterator_of))
    if any(mentions(guard, axis.var) for axis in axes):
        return tirx.const(True, "bool")
    return guard


def _axis(position: int, loop: tirx.For, realize: s_tir.SBlockRealize) -> Axis:
    kinds: set[str] = set()
    feeds: list[tirx.Var] = []
    exact: list[tirx.Var] = []
    for iterator, value in zip(realize.block.iter_vars, realize.iter_values, strict=True):
        if mentions(value, loop.loop_var):
            feeds.append(iterator.var)
            data_parallel = iterator.iter_type == tirx.IterVar.DataPar
            reduction = iterator.iter_type == tirx.IterVar.CommReduce
            kinds.add("S" if data_parallel else "R" if reduction else "O")
            if value.same_as(loop.loop_var) and extent_of(iterator.dom) == extent_of(loop):
                exact.append(iterator.var)
    # A loop that feeds nothing repeats the block: in order, as far as anyone knows.
    kind: AxisKind = "S" if kinds == {"S"} else "R" if kinds == {"R"} else "O"
    if not kinds and extent_of(loop) == 1:
        kind = "S"
    iterator = exact[0] if len(exact) == 1 else None
    return Axis(loop.loop_var, position, extent_of(loop), kind, tuple(feeds), iterator)


def extent_of(ranged: tirx.For | tvm.ir.Range) -> int:
    """The extent of a loop or range as a number; `DYNAMIC` where it is an expression."""
    return int(ranged.extent) if isinstance(ranged.extent, tirx.IntImm) else DYNAMIC


def mentions(node: tvm.ir.Expr | tirx.Stmt, var: tirx.Var) -> bool:
    """Whether `var` occurs in an expression or statement."""
    if isinstance(node, tirx.Var):
        return bool(var.same_as(node))
    if isinstance(node, tirx.IntImm):
        return False
    return any(var.same_as(each) for each in collect(node, tirx.Var))


def collect(node: tvm.ir.Expr | tirx.Stmt, kind: type) -> list[tvm.ir.Expr]:
    """All nodes of one class under `node`, outermost first."""
    found: list[tvm.ir.Expr] = []
    tvm_ffi.structural_walk(node, [(kind, found.append)])
    return found


def same_region(one: tvm.ir.TensorRegion, two: tvm.ir.TensorRegion) -> bool:
    """Whether two regions are the same part of the same array.

    TVM's structural equality looks at the parts alone.
    """
    return bool(
        one.source.same_as(two.source)
        and tvm_ffi.structural_equal(list(one.region), list(two.region))
    )


def is_parameter(sch: s_tir.Schedule, buffer: tirx.Buffer) -> bool:
    return any(buffer.same_as(param) for param in sch.mod["main"].params)


# -- Axes that stages share -----------------------------------------------------------------------


def shared_axes(program: Sequence[Stage]) -> tuple[tuple[Axis, ...], ...]:
    """The spatial axes along which the whole program splits into independent parts.

    Each entry has one axis for every stage, of equal extent: iteration x of the one depends on no
    iteration other than x of the others. The entries follow the last stage's order of loops.

        M[i] = max_k A[i, k];  S[i] = sum_k exp(A[i, k] - M[i]);  O[i, j] = ...   ->   ((i, i, i),)

    Stages that touch no common written buffer are independent; their axes are paired in order.
    """
    coupled = coupled_buffers(program)
    groups: list[dict[int, list[Axis]]] = [
        _group_axes(program, members, coupled) for members in _connected(program, coupled)
    ]
    axes_of = {stage: axes for group in groups for stage, axes in group.items()}
    shared = []
    for row in zip(*(axes_of[index] for index in range(len(program))), strict=False):
        if len({axis.extent for axis in row}) > 1:
            break
        shared.append(row)
    return tuple(shared)


def coupled_buffers(program: Sequence[Stage]) -> tuple[tirx.Buffer, ...]:
    """Buffers that one stage writes and another touches at places that may be the same.

    Whether they are is asked only where a buffer has several writers: parts of one result.
    """
    coupled: list[tirx.Buffer] = []
    for stage in program:
        for written in stage.block.writes:
            buffer = written.source
            others = [other for other in program if other is not stage and accesses(other, buffer)]
            apart = any(_writes(other, buffer) for other in others) and all(
                disjoint(stage, written, other, region)
                for other in others
                for region in accesses(other, buffer)
            )
            if others and not apart and not any(buffer.same_as(each) for each in coupled):
                coupled.append(buffer)
    return tuple(coupled)


def _writes(stage: Stage, buffer: tirx.Buffer) -> bool:
    return any(region.source.same_as(buffer) for region in stage.block.writes)


def accesses(stage: Stage, buffer: tirx.Buffer) -> list[tvm.ir.TensorRegion]:
    """The regions of `buffer` that a stage reads or writes."""
    regions = [*stage.block.reads, *stage.block.writes]
    return [region for region in regions if region.source.same_as(buffer)]


def disjoint(
    one: Stage, region: tvm.ir.TensorRegion, two: Stage, other: tvm.ir.TensorRegion
) -> bool:
    """Whether two regions of one buffer provably never meet, over all iterations of both stages."""
    analyzer = tvm.sym.Analyzer()
    for iterator in (*one.block.iter_vars, *two.block.iter_vars):
        analyzer.bind(iterator.var, iterator.dom)
    apart = [tirx.Not(one.guard), tirx.Not(two.guard)]
    for first, second in zip(region.region, other.region, strict=True):
        apart.append(first.min + first.extent <= second.min)
        apart.append(second.min + second.extent <= first.min)
    return bool(analyzer.can_prove(tirx.any(*apart), tvm.sym.ProofStrength.SYMBOLIC_BOUND))


def _connected(program: Sequence[Stage], coupled: Sequence[tirx.Buffer]) -> list[list[int]]:
    """Stages joined by coupled buffers, as lists of indices in program order."""
    groups: list[set[int]] = [{index} for index in range(len(program))]
    for buffer in coupled:
        users = {index for index, stage in enumerate(program) if accesses(stage, buffer)}
        joined = set().union(*(group for group in groups if group & users))
        groups = [*(group for group in groups if not group & users), joined]
    return sorted(sorted(group) for group in groups)


def _group_axes(
    program: Sequence[Stage], members: list[int], coupled: Sequence[tirx.Buffer]
) -> dict[int, list[Axis]]:
    """For each stage of a connected group its shared axes, in the order of the last one's loops.

    A dimension that every access indexes by one plain spatial axis ties these axes together.
    Tied axes are shared where each stage has one of them and each coupled buffer such a dimension.
    """
    ties = [
        _tied_dimensions([(index, program[index]) for index in members], buffer)
        for buffer in coupled
        if any(accesses(program[index], buffer) for index in members)
    ]
    label: dict[tuple[int, int], tuple[int, int]] = {
        (index, axis.position): (index, axis.position)
        for index in members
        for axis in program[index].axes
    }
    for nodes in (nodes for dimensions in ties for nodes in dimensions):
        old = {label[node] for node in nodes}
        label = {node: min(old) if mark in old else mark for node, mark in label.items()}

    shared: dict[int, list[Axis]] = {index: [] for index in members}
    last = members[-1]
    for axis in program[last].of_kind("S"):
        mark = label[last, axis.position]
        tied = {
            index: [each for each in program[index].axes if label[index, each.position] == mark]
            for index in members
        }
        one_each = all(len(axes) == 1 and axes[0].kind == "S" for axes in tied.values())
        one_extent = len({axes[0].extent for axes in tied.values() if axes}) == 1
        divides = all(any(label[nodes[0]] == mark for nodes in dims) for dims in ties)
        if one_each and one_extent and divides:
            for index, axes in tied.items():
                shared[index].append(axes[0])
    return shared


def _tied_dimensions(
    members: list[tuple[int, Stage]], buffer: tirx.Buffer
) -> list[list[tuple[int, int]]]:
    """For each dimension indexed everywhere by one plain spatial axis: the (stage, position)s."""
    tied = []
    for dimension in range(len(buffer.shape)):
        axes = {
            (index, plain_axis(stage, region.region[dimension]))
            for index, stage in members
            for region in accesses(stage, buffer)
        }
        stages_seen = {index for index, _ in axes}
        if len(axes) == len(stages_seen) and all(axis and axis.kind == "S" for _, axis in axes):
            tied.append(sorted((index, axis.position) for index, axis in axes if axis))
    return tied


def plain_axis(stage: Stage, index: tvm.ir.Range) -> Axis | None:
    """The axis that a one-element range of a region simply is, if any."""
    if extent_of(index) != 1:
        return None
    for axis in stage.axes:
        if axis.iterator is not None and index.min.same_as(axis.iterator):
            return axis
    return None


def runs_along(program: Sequence[Stage], row: Sequence[Axis]) -> bool:
    """Whether neighbouring rows are neighbours in the largest array that the longest stage has."""
    longest = max(range(len(program)), key=lambda index: program[index].size())
    stage = program[longest]
    regions = [r for r in stage.block.reads if len(r.region)] or list(stage.block.writes)
    largest = max(regions, key=lambda region: (len(region.region), elements(region.source)))
    return plain_axis(stage, largest.region[-1]) is row[longest]


def elements(buffer: tirx.Buffer) -> int:
    """The number of elements of an array, as far as its extents are numbers."""
    return math.prod(int(each) for each in buffer.shape if isinstance(each, tirx.IntImm | int))


def crossing(stage: Stage, least: int) -> tuple[int, Axis, Axis] | None:
    """Where a stage reads across the direction in which it writes, as a transposition does.

    The place among its reads, the axis along that operand's memory, and the axis along the memory
    of the result, both of at least `least` steps; `None` where there is no such read.
    """
    written = stage.block.writes[0].region
    along = plain_axis(stage, written[-1]) if written else None
    for place, region in enumerate(stage.block.reads):
        axes = [plain_axis(stage, index) for index in region.region]
        if along is None or not axes or None in axes or along not in axes[:-1]:
            continue
        down = axes[-1]
        if down and down is not along and min(down.extent, along.extent) >= least:
            return place, down, along
    return None
