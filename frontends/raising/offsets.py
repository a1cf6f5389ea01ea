"""Sums of products of shifted bytes, less what the shift has made: the products themselves.

    s[i, j] = sum(k) u8(A[i, k] ^ -128) * B[k, j]
    t[j]    = sum(k) 128 * B[k, j]                  ->      sum(k) A[i, k] * B[k, j]
    s[i, j] - t[j]

Dot products of some processors take one unsigned and one signed byte; kernels for two signed ones
add 128 to the first and take it off again. Modulo 2^32 both are equal, whatever the bytes are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.comparisons import terms_of
from xpiler_tvm.tir import Buffer, Expr

from .tensors import Graph, Tensor, is_identity, knowing


@dataclass(frozen=True)
class _Product:
    """A sum of (`byte` + `offset`) * `other`; without a byte of `offset` * `other`."""

    tensor: Tensor
    offset: int
    other: Expr
    byte: Expr | None


def without_offsets(graph: Graph) -> Graph:
    """The graph with plain products where a shift is taken off again."""
    shifted, constant = dict[Buffer, _Product](), dict[Buffer, _Product]()
    for tensor in graph.tensors:
        for found in _products(tensor):
            (constant if found.byte is None else shifted).setdefault(tensor.buffer, found)
    if not shifted:
        return graph
    made: dict[Buffer, Tensor] = {}

    def change(expr: Expr, tensor: Tensor) -> Expr:
        if not any(load.source in shifted for load in tir.loads(expr)):
            return expr

        def taken_off(node: Expr) -> Expr:
            found = _without_offset(node, tensor, shifted, constant, made)
            return node if found is None else found

        # From the whole sum down: its parts say less.
        return tvm_ffi.structural_map(expr, ((tirx.Sub, tirx.Add), taken_off), order="pre")

    changed = graph.rewrite(change)
    tensors: list[Tensor] = []
    for tensor in changed.tensors:
        tensors.append(tensor)
        if tensor.buffer in made:
            tensors.append(made[tensor.buffer])
    return Graph(tuple(tensors), changed.outputs).live() if made else graph


def _products(tensor: Tensor) -> list[_Product]:
    """A tensor as a sum of products with an offset, in the ways in which it is one."""
    value, reduction = tensor.value, tensor.reduction
    sums = reduction is not None and reduction.op == "+" and is_identity("+", reduction.init)
    if not sums or tensor.guard or tensor.recurrence or tir.dtype_of(value) != "int32":
        return []
    found = [_Product(tensor, 1, value, None)]
    if not isinstance(value, tirx.Mul):
        return found
    for factor, other in ((value.a, value.b), (value.b, value.a)):
        known = _evaluated(factor, {})
        if known is not None:
            return [_Product(tensor, int(known[0]), other, None)]
        shift = _shift(factor)
        if shift is not None:
            found.append(_Product(tensor, shift[1], other, shift[0]))
    return found


def _shift(factor: Expr) -> tuple[Expr, int] | None:
    """`(x, c)` where `factor` is x + c for all values of the byte x, and c is not 0."""
    loads = tir.loads(factor)
    if not loads or not all(tir.same(load, loads[0]) for load in loads):
        return None
    dtype = tir.dtype_of(loads[0])
    if dtype not in ("int8", "uint8"):
        return None
    bytes_ = np.arange(256).astype(dtype).astype("int64")
    values = _evaluated(factor, {loads[0]: bytes_})
    if values is None or values.shape != bytes_.shape:
        return None
    (offset, *others) = {int(each) for each in values - bytes_}
    return None if others or not offset else (loads[0], offset)


def _without_offset(
    node: Expr,
    reader: Tensor,
    shifted: Mapping[Buffer, _Product],
    constant: Mapping[Buffer, _Product],
    made: dict[Buffer, Tensor],
) -> Expr | None:
    """A sum with a product for a shifted one, and without what takes the shift off."""
    if tir.dtype_of(node) != "int32":
        return None
    terms = terms_of(node)
    for place, (factor, load) in enumerate(terms):
        product = shifted.get(load.source) if isinstance(load, tvm.ir.TensorLoad) else None
        if product is None:
            continue
        for other_place, (other_factor, other) in enumerate(terms):
            less = constant.get(other.source) if isinstance(other, tvm.ir.TensorLoad) else None
            if less is None or factor * product.offset != -other_factor * less.offset:
                continue
            if not _meet(product, load, less, other, reader):
                continue
            plain = made.setdefault(load.source, _plain(product))
            rest = [each for i, each in enumerate(terms) if i not in (place, other_place)]
            total: Expr = plain.buffer[tuple(load.indices)]
            if factor != 1:
                total = total * tir.const(factor, "int32")
            for count, term in rest:
                total = total + (term if count == 1 else term * tir.const(count, "int32"))
            return total
    return None


def _meet(product: _Product, load: Expr, less: _Product, other: Expr, reader: Tensor) -> bool:
    """Whether both sums, read where they are read, are over the same other factors."""
    ours, theirs = product.tensor.reduction, less.tensor.reduction
    assert ours is not None and theirs is not None
    if [extent for _, extent in ours.axes] != [extent for _, extent in theirs.axes]:
        return False
    steps = {old: new for (old, _), (new, _) in zip(theirs.axes, ours.axes, strict=True)}
    places = [
        {var: index for (var, _), index in zip(one.tensor.axes, at.indices, strict=True)}
        for one, at in ((product, load), (less, other))
    ]
    with knowing((*reader.all_axes, *ours.axes), reader.guard) as analyzer:
        here, there = (
            tir.map_loads(
                tir.substitute(one.other, names),
                lambda read: read.source[tuple(analyzer.simplify(i) for i in read.indices)],
            )
            for one, names in ((product, places[0]), (less, {**places[1], **steps}))
        )
    return tir.same(here, there)


def _plain(product: _Product) -> Tensor:
    old = product.tensor
    buffer = tirx.decl_buffer(old.buffer.shape, old.buffer.dtype, old.buffer.name)
    value = tirx.Cast("int32", product.byte) * product.other
    return replace(old, buffer=buffer, value=value)


# ---------------------------------------------------------------- values of an expression

_OPERATORS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "BitwiseAnd": np.bitwise_and,
    "BitwiseOr": np.bitwise_or,
    "BitwiseXor": np.bitwise_xor,
    "Max": np.maximum,
    "Min": np.minimum,
}
_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")


def _evaluated(expr: Expr, known: Mapping[Expr, np.ndarray]) -> np.ndarray | None:
    """The values of an integer expression for arrays of values of what it reads, as int64; `None`
    where it is made of anything else."""
    dtype, name = tir.dtype_of(expr), type(expr).__name__
    if dtype not in _INTEGERS:
        return None
    for read, values in known.items():
        if tir.same(read, expr):
            return values
    if isinstance(expr, tirx.IntImm):
        return np.array([int(expr.value)])
    if isinstance(expr, tirx.Cast):
        inner = expr.value
    elif tir.is_reinterpreted(expr):
        inner = expr.args[0]
    elif name in _OPERATORS:
        left, right = _evaluated(expr.a, known), _evaluated(expr.b, known)
        if left is None or right is None:
            return None
        return _OPERATORS[name](left, right).astype(dtype).astype("int64")
    else:
        return None
    found = _evaluated(inner, known)
    return None if found is None else found.astype(dtype).astype("int64")
