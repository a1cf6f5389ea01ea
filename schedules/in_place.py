"""Arrays that are read and written in place, under two names while a program is scheduled.

    C[i, j] = a * acc[i, j] + b * C[i, j]     ->     C[i, j] = a * acc[i, j] + b * C_before[i, j]

TVM refuses many steps for a block that reads what it writes. With a name for the values before, it
is a block like others. In the end both names are the same array again, which is right as long as
each value is still read by the very block that replaces it: `join_updates` looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm import tir

from .analysis import Stage, disjoint, same_region, stages

ATTACHED = "_before"


@dataclass(frozen=True, eq=False)
class Split:
    """A program whose arrays in place go by two names: pairs of the values before, and the array.

    `checked` are pairs whose joining needs a look at what the schedule has made of them.
    """

    mod: tvm.IRModule
    pairs: tuple[tuple[tirx.Buffer, tirx.Buffer], ...] = ()
    checked: bool = True


def split_updates(mod: tvm.IRModule) -> Split:
    """Two names for each output that is read only where it is replaced, element by element."""
    from .base import fresh

    program = stages(fresh(mod))
    arrays = [
        param
        for param in mod["main"].params
        if tirx.is_buffer_var(param)
        and _is_updated(program, param)
        # A guard may read it too, which is no part of a block.
        and len(_loads(mod["main"].body, param))
        == sum(len(_loads(stage.block, param)) for stage in program)
    ]
    return _renamed(mod, arrays, checked=True)


def split_all(mod: tvm.IRModule) -> Split:
    """Two names for each parameter that is both read and written, without any condition.

    For steps that leave all that reads or writes them in its place.
    """
    from .base import fresh

    program = stages(fresh(mod))
    arrays = [
        param
        for param in mod["main"].params
        if tirx.is_buffer_var(param)
        and any(_writes(stage, param) for stage in program)
        and any(_loads(stage.block, param) for stage in program)
    ]
    if any(stage.is_opaque for stage in program):
        arrays = []
    return _renamed(mod, arrays, checked=False)


def _is_updated(program: Sequence[Stage], array: tirx.Buffer) -> bool:
    writers = [stage for stage in program if _writes(stage, array)]
    readers = [stage for stage in program if _loads(stage.block, array)]
    if not readers or any(stage.is_opaque for stage in (*writers, *readers)):
        return False
    for stage in readers:
        if not stage.is_injective or not _reads_its_own(stage.block, array):
            return False
        store = stage.block.body
        for iterator in stage.block.iter_vars:
            if not any(tir.uses(index, [iterator.var]) for index in store.indices):
                return False  # it would update one element many times
    return all(
        disjoint(one, one.block.writes[0], two, two.block.writes[0])
        for place, one in enumerate(writers)
        for two in writers[place + 1 :]
    )


def _writes(stage: Stage, array: tirx.Buffer) -> bool:
    return any(region.source.same_as(array) for region in stage.block.writes)


def _loads(node: tirx.Stmt, array: tirx.Buffer) -> list[tvm.ir.TensorLoad]:
    return [load for load in tir.loads(node) if load.source.same_as(array)]


def _reads_its_own(
    block: s_tir.SBlock, array: tirx.Buffer, into: tirx.Buffer | None = None
) -> bool:
    """Whether a block is one store and reads of an array only the element that it stores to."""
    store = block.body
    if not isinstance(store, tirx.BufferStore) or block.init is not None:
        return False
    return store.buffer.same_as(array if into is None else into) and all(
        tvm_ffi.structural_equal(list(load.indices), list(store.indices))
        for load in _loads(store, array)
    )


def _renamed(mod: tvm.IRModule, arrays: Sequence[tirx.Buffer], checked: bool) -> Split:
    if not arrays:
        return Split(mod, checked=checked)
    func = mod["main"]
    pairs = [
        (tirx.decl_buffer(each.shape, each.dtype, each.name + ATTACHED), each) for each in arrays
    ]

    def before(array: tirx.Buffer) -> tirx.Buffer | None:
        return next((old for old, new in pairs if new.same_as(array)), None)

    def block(old: s_tir.SBlock) -> s_tir.SBlock:
        if old.same_as(func.body.block) or not isinstance(old.body, tirx.BufferStore):
            return old
        store = old.body
        met: list[tvm.ir.TensorLoad] = []

        def load(each: tvm.ir.TensorLoad) -> tvm.ir.TensorLoad:
            renamed = before(each.source)
            if renamed is None or (old.init is not None and each.source.same_as(store.buffer)):
                return each
            new = renamed[tuple(each.indices)]
            met.append(new)
            return new

        value = tir.map_loads(store.value, load)
        if not met:
            return old
        reads = [region for region in old.reads if before(region.source) is None]
        for each in met:
            ranges = [tvm.ir.Range.from_min_extent(index, 1) for index in each.indices]
            if any(tir.loads(index) for index in each.indices):
                ranges = [tvm.ir.Range(0, extent) for extent in each.source.shape]
            region = tirx.BufferRegion(each.source, ranges)
            if not any(same_region(region, known) for known in reads):
                reads.append(region)
        changed = tirx.BufferStore(store.buffer, value, list(store.indices))
        return s_tir.SBlock(
            list(old.iter_vars), reads, list(old.writes), old.name_hint, changed, old.init
        )

    body = tvm_ffi.structural_map(func.body, (s_tir.SBlock, block), order="post")
    params = [*func.params, *(old for old, _ in pairs)]
    changed = tirx.PrimFunc(params, body, func.ret_type, func.attrs)
    return Split(tvm.IRModule({"main": changed}, attrs=mod.attrs), tuple(pairs), checked)


def join_updates(mod: tvm.IRModule, split: Split) -> tvm.IRModule | None:
    """The program with one name for each array again; `None` where that would change it."""
    if not split.pairs:
        return mod
    func = mod["main"]
    # Schedules keep the parameters; the last are the values before.
    count = len(func.params) - len(split.pairs)
    olds = list(func.params)[count:]
    news = [next(param for param in func.params if param.same_as(new)) for _, new in split.pairs]
    if split.checked and not all(map(_is_safe, [func] * len(olds), olds, news)):
        return None

    def one_name(var: tirx.Var) -> tirx.Var:
        return next((new for old, new in zip(olds, news, strict=True) if old.same_as(var)), var)

    def block(each: s_tir.SBlock) -> s_tir.SBlock:
        """The very elements that a block overwrites are not listed as read, as after raising."""
        reads = [
            region
            for region in each.reads
            if not any(region.source.same_as(new) for new in news)
            or not any(same_region(region, written) for written in each.writes)
        ]
        if len(reads) == len(each.reads):
            return each
        return s_tir.SBlock(
            list(each.iter_vars),
            reads,
            list(each.writes),
            each.name_hint,
            each.body,
            each.init,
            list(each.alloc_buffers),
            list(each.match_buffers),
            each.annotations,
        )

    body = tvm_ffi.structural_map(func.body, (tirx.Var, one_name))
    body = tvm_ffi.structural_map(body, (s_tir.SBlock, block), order="post")
    joined = tirx.PrimFunc(list(func.params)[:count], body, func.ret_type, func.attrs)
    return tvm.IRModule({"main": joined}, attrs=mod.attrs)


def _is_safe(func: tirx.PrimFunc, old: tirx.Buffer, new: tirx.Buffer) -> bool:
    """Whether all loads of the values before are in blocks that replace these very values."""
    blocks: list[s_tir.SBlock] = []
    tvm_ffi.structural_walk(func.body, [(s_tir.SBlock, blocks.append)])
    leaves = [block for block in blocks if isinstance(block.body, tirx.BufferStore)]
    inside = 0
    for leaf in leaves:
        loads = _loads(leaf.body, old)
        if loads and not _reads_its_own(leaf, old, new):
            return False
        inside += len(loads)
    return inside == len(_loads(func.body, old))
