"""Reductions that are defined alike become one.

s[i] = sum(k) x[i, k];  t[j] = sum(l) x[j, l]      ->      s, read in the place of t
"""

from __future__ import annotations

from dataclasses import replace

import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from .tensors import Graph, Tensor, parts, rewritten


def join_twins(graph: Graph) -> Graph:
    """The graph with the first of equal reductions in place of the others."""
    names: list[Var] = []
    seen: dict[int, list[tuple[Tensor, tuple[Expr, ...]]]] = {}
    instead: dict[Buffer, Buffer] = {}

    def moved(load: Expr) -> Expr:
        other = instead.get(load.source)
        return load if other is None else other[tuple(load.indices)]

    def change(expr: Expr, _: Tensor) -> Expr:
        return tir.map_loads(expr, moved) if instead else expr

    tensors: list[Tensor] = []
    for old in graph.tensors:
        tensor = rewritten(old, change)
        if tensor.reduction is not None:
            exprs = _over(tensor, names)
            found = seen.setdefault(hash(tuple(map(tvm_ffi.structural_hash, exprs))), [])
            twin = next((one for one, its in found if _are_alike(one, its, tensor, exprs)), None)
            if twin is not None:
                instead[tensor.buffer] = twin.buffer
                continue
            found.append((tensor, exprs))
        tensors.append(tensor)
    if not instead:
        return graph
    outputs = tuple(
        replace(o, tensor=rewritten(o.tensor, change), index=change(o.index, o.tensor))
        for o in graph.outputs
    )
    return Graph(tuple(tensors), outputs)


def _over(tensor: Tensor, names: list[Var]) -> tuple[Expr, ...]:
    """The expressions of a tensor over axes called by their position."""
    axes = [var for var, _ in tensor.all_axes]
    while len(names) < len(axes):
        names.append(tirx.Var(f"i{len(names)}", "int32"))
    own = dict(zip(axes, names, strict=False))
    return tuple(tir.substitute(expr, own) for expr in parts(tensor))


def _are_alike(one: Tensor, its: tuple[Expr, ...], other: Tensor, exprs: tuple[Expr, ...]) -> bool:
    assert one.reduction is not None and other.reduction is not None
    return (
        one.buffer.dtype == other.buffer.dtype
        and one.reduction.op == other.reduction.op
        and one.reduction.rescaled == other.reduction.rescaled
        and [extent for _, extent in one.all_axes] == [extent for _, extent in other.all_axes]
        and len(one.axes) == len(other.axes)
        and len(its) == len(exprs)
        and all(map(tir.same, its, exprs))
    )
