"""Nests that are products of matrices: the form that the matrix unit computes.

for i: for g: for l: for k:                                       l < 64, columns g * 64 + l
    C[i*n + g*64 + l] += A[i*d + k] * W[l*(n/64)*d + g*d + k]     W in WRAM, a bank for each l
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr, TensorLoad

from xpiler_tvm.dialects.bang import LANES

from .nests import Nest, is_compact, strides


@dataclass(frozen=True)
class Product:
    """`target[rows][columns] += source[rows][depth] * weights`, each from its first element on."""

    target: tirx.Buffer
    source: tirx.Buffer
    weights: tirx.Buffer
    firsts: tuple[Expr, Expr, Expr]
    rows: int
    columns: int
    depth: int


def product(
    nest: Nest, in_wram: Callable[[tirx.Buffer], bool], analyzer: tvm.sym.Analyzer
) -> Product | None:
    """The product that a nest adds to its target, with the operand in WRAM as the weights.

    The target and the source must be compact, the weights lie in their banks.
    """
    store = nest.store
    factors = _factors(store)
    if factors is None or nest.guards:
        return None
    source, weights = factors
    if in_wram(source.source):
        source, weights = weights, source
    if in_wram(source.source) or not in_wram(weights.source):
        return None
    to, of, through = (
        strides(indices, nest.variables, analyzer)
        for indices in (store.indices, source.indices, weights.indices)
    )
    if to is None or of is None or through is None:
        return None
    steps = list(zip(nest.extents, to[0], of[0], through[0], strict=True))
    steps = [step for step in steps if step[0] != 1]
    rows = [step for step in steps if step[1] and step[2] and not step[3]]
    columns = [step for step in steps if step[1] and not step[2] and step[3]]
    depth = [step for step in steps if not step[1] and step[2] and step[3]]
    if len(rows) + len(columns) + len(depth) != len(steps):
        return None
    m, n, k = (_size(group) for group in (rows, columns, depth))
    groups = n // LANES
    in_order = (
        n % LANES == 0
        and is_compact([(e, c) for e, c, _, _ in columns])
        and is_compact([(k, 1), *((e, a) for e, _, a, _ in rows)])
        and is_compact([(n, 1), *((e, c) for e, c, _, _ in rows)])
        and is_compact([(e, a) for e, _, a, _ in depth])
        and all(a == w for _, _, a, w in depth)
        and all(a * n == c * k for _, c, a, _ in rows)
        and all(w == _place(c, groups, k) for _, c, _, w in columns)
    )
    if not in_order:
        return None
    firsts = (to[1], of[1], through[1])
    return Product(store.buffer, source.source, weights.source, firsts, m, n, k)


def _place(column: int, groups: int, depth: int) -> int:
    """Where in WRAM the weights of a column begin: bank by bank, in each its groups."""
    return (column % LANES * groups + column // LANES) * depth


def _size(group: list[tuple[int, int, int, int]]) -> int:
    size = 1
    for extent, *_ in group:
        size *= extent
    return size


def _factors(store: tirx.BufferStore) -> tuple[TensorLoad, TensorLoad] | None:
    """The elements whose product, both widened first, is added to the stored one."""
    value = store.value
    if not isinstance(value, tirx.Add):
        return None
    for kept, added in ((value.a, value.b), (value.b, value.a)):
        own = (
            isinstance(kept, TensorLoad)
            and kept.source.same_as(store.buffer)
            and tvm_ffi.structural_equal(list(kept.indices), list(store.indices))
        )
        if own and isinstance(added, tirx.Mul):
            left, right = _widened(added.a), _widened(added.b)
            if left is not None and right is not None:
                return left, right
    return None


def _widened(node: Expr) -> TensorLoad | None:
    inner = node.value if isinstance(node, tirx.Cast) else node
    return inner if isinstance(inner, TensorLoad) else None
