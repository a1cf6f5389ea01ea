"""Arrays that a kernel updates, as an input and an output: TVM's destination-passing form.

    x[i] = x[i] + r[i]; n[i] = f(x[i] + r[i])    ->    x_out[i] = x[i] + r[i]; n[i] = f(x[i] + r[i])

TVM calls no program with such an update a pipeline of stages, and refuses most primitives for it.
What a raised block reads of a parameter is what that held before the kernel, so that stores alone
need another name. The exceptions are reductions and stores at indices from memory, where an element
is stored many times: what such a block reads is what it has stored so far.
"""

from __future__ import annotations

from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import Range

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer

ATTACHED = "_out"


@dataclass(frozen=True, eq=False)
class OutOfPlace:
    """`mod["main"]` takes the parameters of the kernel and then an output for each of `updated`.

    Such an output starts as a copy of the parameter and holds the result in the end; the parameter
    itself stays as it was.
    """

    mod: tvm.IRModule
    updated: tuple[str, ...] = ()


def out_of_place(mod: tvm.IRModule) -> OutOfPlace:
    """A raised module with an output of its own for each parameter that is updated."""
    func = mod["main"]
    stores: list[tirx.BufferStore] = []
    tvm_ffi.structural_walk(func.body, [(tirx.BufferStore, stores.append)])
    blocks: list[s_tir.SBlock] = []
    tvm_ffi.structural_walk(func.body, [(s_tir.SBlock, blocks.append)])
    written = {store.buffer for store in stores}
    read = {
        load.source
        for block in blocks
        if not block.same_as(func.body.block)
        for load in tir.loads(block)
        if load.source not in _accumulated(block)
    }
    read |= {load.source for load in _loads_of_predicates(func)}
    results: dict[Buffer, Buffer] = {
        param: tirx.decl_buffer(param.shape, param.dtype, _unused(param.name + ATTACHED, func))
        for param in func.params
        if tirx.is_buffer_var(param) and param in written and param in read
    }
    if not results:
        return OutOfPlace(mod)

    def block(old: s_tir.SBlock) -> s_tir.SBlock:
        return old if old.same_as(func.body.block) else _renamed(old, results)

    body = tvm_ffi.structural_map(func.body, (s_tir.SBlock, block), order="post")
    changed = tirx.PrimFunc([*func.params, *results.values()], body, func.ret_type, func.attrs)
    made = tvm.IRModule({"main": changed}, attrs=mod.attrs)
    return OutOfPlace(made, tuple(param.name for param in results))


def _loads_of_predicates(func: tirx.PrimFunc) -> list[tvm.ir.TensorLoad]:
    realizes: list[s_tir.SBlockRealize] = []
    tvm_ffi.structural_walk(func.body, [(s_tir.SBlockRealize, realizes.append)])
    return [load for realize in realizes for load in tir.loads(realize.predicate)]


def _accumulated(block: s_tir.SBlock) -> set[Buffer]:
    """The arrays of which a block reads what it has stored itself."""
    stores: list[tirx.BufferStore] = []
    tvm_ffi.structural_walk(block.body, [(tirx.BufferStore, stores.append)])
    return {
        store.buffer
        for store in stores
        if block.init is not None or any(map(tir.has_load, store.indices))
    }


def _unused(name: str, func: tirx.PrimFunc) -> str:
    taken = {param.name for param in func.params}
    while name in taken:
        name += "_"
    return name


def _renamed(block: s_tir.SBlock, results: dict[Buffer, Buffer]) -> s_tir.SBlock:
    """The block with the results' names for what it stores, and all it reads in its regions."""
    accumulated = _accumulated(block)

    def store(old: tirx.BufferStore) -> tirx.BufferStore:
        if old.buffer not in results:
            return old
        return tirx.BufferStore(results[old.buffer], old.value, list(old.indices))

    def any_name(var: tirx.Var) -> tirx.Var:
        return results[var] if var in results and var in accumulated else var

    body = tvm_ffi.structural_map(block.body, (tirx.BufferStore, store))
    init = block.init and tvm_ffi.structural_map(block.init, (tirx.BufferStore, store))
    if accumulated:
        body = tvm_ffi.structural_map(body, (tirx.Var, any_name))
    writes = [
        tirx.BufferRegion(results.get(region.source, region.source), list(region.region))
        for region in block.writes
    ]
    return s_tir.SBlock(
        list(block.iter_vars),
        _reads(block, accumulated, results),
        writes,
        block.name_hint,
        body,
        init,
        list(block.alloc_buffers),
        list(block.match_buffers),
        block.annotations,
    )


def _reads(
    block: s_tir.SBlock, accumulated: set[Buffer], results: dict[Buffer, Buffer]
) -> list[tirx.BufferRegion]:
    """Also the elements that the block replaces, which no list of a block in place has."""
    reads = list(block.reads)
    loaded = {load.source for load in tir.loads(block.body)}
    for region in block.writes:
        array = region.source
        if array not in results or array in accumulated or array not in loaded:
            continue
        others = [each for each in reads if each.source.same_as(array)]
        whole = [Range(0, extent) for extent in array.shape]
        reads = [each for each in reads if not each.source.same_as(array)]
        reads.append(tirx.BufferRegion(array, whole if others else list(region.region)))
    return reads
