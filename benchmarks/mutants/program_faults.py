"""Faults in lifted programs: a node of a PrimFunc, of loops or of blocks, becomes another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm import tir

from .fault import ProgramFault

Change = tuple[str, Any]  # the kind of fault, and the node that takes the place of the right one
Maker = Callable[[Any], Iterator[Change]]

_INCLUDING = {tirx.LT: tirx.LE, tirx.LE: tirx.LT, tirx.GT: tirx.GE, tirx.GE: tirx.GT}
_REVERSED = {tirx.LT: tirx.GT, tirx.GT: tirx.LT, tirx.LE: tirx.GE, tirx.GE: tirx.LE}
_REVERSED |= {tirx.EQ: tirx.NE, tirx.NE: tirx.EQ}


def program_faults(mod: tvm.IRModule, of: str = "", flat: bool = True) -> list[ProgramFault]:
    """Every fault that the makers below see in the program `mod["main"]`, `of` what it is."""
    func = mod["main"]
    found: list[ProgramFault] = []
    seen = {tvm_ffi.structural_hash(func)}
    for node in _nodes(func):
        for kind, new in _changes(node, func):
            place = f"{type(node).__name__} of {of or 'the flat program'}"
            fault = ProgramFault(kind, place, _line(node), _line(new), mod, node, new, flat)
            key = tvm_ffi.structural_hash(fault.apply()["main"])
            if key not in seen:
                seen.add(key)
                found.append(fault)
    return found


def _nodes(func: Any) -> list[Any]:
    """The statements and expressions that have a maker, each once."""
    nodes: list[Any] = []
    realizes = _realizes(func)
    for root in _roots(func, realizes):
        tvm_ffi.structural_walk(root, [(kind, nodes.append) for kind in _MAKERS], order="pre")
    nodes += [node for each in realizes for node in (each, each.block)]
    unique: list[Any] = []
    for node in nodes:
        if not any(node.same_as(other) for other in unique):
            unique.append(node)
    return unique


def _realizes(func: Any) -> list[Any]:
    """The blocks of one store."""
    found: list[Any] = []
    tvm_ffi.structural_walk(func.body, [(s_tir.SBlockRealize, found.append)], order="pre")
    return [each for each in found if isinstance(each.block.body, tirx.BufferStore)]


def _roots(func: Any, realizes: list[Any]) -> list[Any]:
    """What of a program is executed: all of plain loops, of blocks not the regions they declare.

    Loops over blocks are the blocks' axes, which have makers of their own.
    """
    if not realizes:
        return [func.body]
    return [
        part
        for realize in realizes
        for part in (realize.predicate, realize.block.init, realize.block.body)
        if part is not None
    ]


def _changes(node: Any, func: Any) -> Iterator[Change]:
    for kind, makers in _MAKERS.items():
        if isinstance(node, kind):
            for maker in makers:
                yield from maker(node)
    if isinstance(node, tir.Load):
        yield from _other_operand(node, func)


# Declarations that TVM prints before a part of a program for the names in it.
_DECLARED = re.compile(r"#|\w+ = T\.\w+\(")


def _line(node: Any) -> str:
    """The first line of a node as TVM prints it."""
    lines = [line.strip() for line in str(node).splitlines()]
    shown = [line for line in lines if line and not _DECLARED.match(line)]
    return shown[0] if shown else lines[-1]


# ---------------------------------------------------------------- statements


def _store(node: Any) -> Iterator[Change]:
    yield "statement", tirx.Evaluate(tir.const(0, "int32"))
    value = node.value
    if isinstance(value, (tirx.IntImm, tirx.FloatImm)):
        dtype = tir.dtype_of(value)
        other = tir.const(0 if abs(value.value) > 1 else value.value + 1, dtype)
        yield "initial", tirx.BufferStore(node.buffer, other, node.indices)
        return  # in which order a buffer is filled is nobody's business
    for kind, indices in _other_places(node.indices):
        yield kind, tirx.BufferStore(node.buffer, value, indices)


def _loop(node: Any) -> Iterator[Change]:
    # More blocks or threads are another launch, not another program; guards take them anyway.
    launched = re.fullmatch(r"[bt][xyz](_\d+)?", node.loop_var.name)
    for change in (-1,) if launched else (1, -1):
        extent = node.extent + change
        yield "bound", tirx.For(node.loop_var, node.min, extent, node.kind, node.body)


def _branch(node: Any) -> Iterator[Change]:
    true = tir.const(True, "bool")
    yield "guard", tirx.IfThenElse(true, node.then_case, node.else_case)
    parts = tir.conjuncts(node.condition)
    for left_out in range(len(parts)) if len(parts) > 1 else ():
        kept = tir.conjunction(part for number, part in enumerate(parts) if number != left_out)
        yield "guard", tirx.IfThenElse(kept, node.then_case, node.else_case)


# ---------------------------------------------------------------- expressions


def _load(node: Any) -> Iterator[Change]:
    for kind, indices in _other_places(node.indices):
        yield kind, tirx.BufferLoad(node.source, indices)


def _other_operand(node: Any, func: Any) -> Iterator[Change]:
    """Another parameter of the same type, read at the same place."""
    mine = node.source
    for other in func.params:
        if not tirx.is_buffer_var(other) or other.same_as(mine):
            continue
        if str(other.dtype) == str(mine.dtype) and len(other.shape) == len(mine.shape):
            yield "operand", tirx.BufferLoad(other, node.indices)
            return


def _other_places(indices: Any) -> Iterator[tuple[str, list[Any]]]:
    """Indices of which one is another, or two are exchanged."""
    for place, index in enumerate(indices):
        for kind, other in _other_indices(index):
            yield kind, [*indices[:place], other, *indices[place + 1 :]]
    if len(indices) > 1:
        yield "index swapped", [*indices[:-2], indices[-1], indices[-2]]


def _other_indices(index: Any) -> Iterator[tuple[str, Any]]:
    """An index with two variables exchanged, with its rows as columns, and one further."""
    if tir.as_const(index) is not None:
        return
    names = tir.variables(index)
    if len(names) > 1:
        one, other = names[:2]
        yield "index swapped", tir.substitute(index, {one: other, other: one})
    if isinstance(index, tirx.Add) and isinstance(index.a, tirx.Mul):
        yield "transposed", index.b * index.a.b + index.a.a
    yield "constant", index + 1
    for product in _products(index):
        changed = product.a * (product.b + 1)

        def wider(node: Any, product: Any = product, changed: Any = changed) -> Any:
            return changed if node.same_as(product) else node

        yield "stride", tvm_ffi.structural_map(index, (tirx.Mul, wider), order="post")


def _products(index: Any) -> list[Any]:
    found: list[Any] = []
    tvm_ffi.structural_walk(index, [(tirx.Mul, found.append)], order="pre")
    return [product for product in found if isinstance(product.b, tirx.IntImm)][:1]


def _realize(node: Any) -> Iterator[Change]:
    """A block that runs where it should not, or whose axis is one too short."""
    parts = [part for part in tir.conjuncts(node.predicate) if tir.as_const(part) != 1]
    for left_out in range(len(parts)):
        kept = tir.conjunction(part for number, part in enumerate(parts) if number != left_out)
        yield "guard", s_tir.SBlockRealize(node.iter_values, kept, node.block)
    if not node.block.iter_vars:
        return
    last = node.iter_values[-1] < node.block.iter_vars[-1].dom.extent - 1
    yield (
        "bound",
        s_tir.SBlockRealize(node.iter_values, tir.conjunction([*parts, last]), node.block),
    )


def _block(node: Any) -> Iterator[Change]:
    """A block without its start, or with another kind of axis."""
    if not node.iter_vars or not isinstance(node.body, tirx.BufferStore):
        return
    same = (node.reads, node.writes, node.name_hint, node.body)
    if node.init is not None:
        yield "initial", s_tir.SBlock(node.iter_vars, *same, None)
        summed = [each for each in node.iter_vars if each.iter_type == tirx.IterVar.CommReduce]
        spatial = [
            tirx.IterVar(each.dom, each.var, tirx.IterVar.DataPar) if each in summed[-1:] else each
            for each in node.iter_vars
        ]
        yield "axis", s_tir.SBlock(spatial, *same, node.init)


def _comparison(node: Any) -> Iterator[Change]:
    if type(node) in _INCLUDING:
        yield "comparison", _INCLUDING[type(node)](node.a, node.b)
        for change in (1, -1):
            if tir.is_int(node.b):
                yield "bound", type(node)(node.a, node.b + tir.const(change, tir.dtype_of(node.b)))
    if type(node) in _REVERSED:
        yield "reversed", _REVERSED[type(node)](node.a, node.b)


def _sum(node: Any) -> Iterator[Change]:
    other = tirx.Sub if isinstance(node, tirx.Add) else tirx.Add
    yield "plus minus", other(node.a, node.b)
    if isinstance(node, tirx.Sub):
        yield "swapped", tirx.Sub(node.b, node.a)


def _product(node: Any) -> Iterator[Change]:
    if not tir.is_int(node):
        yield "times divide", (tirx.Div if isinstance(node, tirx.Mul) else tirx.Mul)(node.a, node.b)


def _extreme(node: Any) -> Iterator[Change]:
    yield "max min", (tirx.Min if isinstance(node, tirx.Max) else tirx.Max)(node.a, node.b)


def _choice(node: Any) -> Iterator[Change]:
    if getattr(node.op, "name", "") == "prim.if_then_else":
        true = tir.const(True, "bool")
        yield "guard", tirx.if_then_else(true, node.args[1], node.args[2])


def _real(node: Any) -> Iterator[Change]:
    # Beside the least number of a type, another as small would be no fault that anyone makes.
    other = 0.0 if abs(node.value) > 1e30 else node.value * 0.75 if node.value else 1.0
    yield "constant", tir.const(other, tir.dtype_of(node))


_COMPARISONS = (tirx.LT, tirx.LE, tirx.GT, tirx.GE, tirx.EQ, tirx.NE)
_MAKERS: dict[Any, tuple[Maker, ...]] = {
    tirx.BufferStore: (_store,),
    tirx.For: (_loop,),
    s_tir.SBlockRealize: (_realize,),
    s_tir.SBlock: (_block,),
    tirx.IfThenElse: (_branch,),
    tir.Load: (_load,),
    **dict.fromkeys(_COMPARISONS, (_comparison,)),
    tirx.Add: (_sum,),
    tirx.Sub: (_sum,),
    tirx.Mul: (_product,),
    tirx.Div: (_product,),
    tirx.Max: (_extreme,),
    tirx.Min: (_extreme,),
    tvm.ir.Call: (_choice,),
    tirx.FloatImm: (_real,),
}
