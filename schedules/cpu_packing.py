"""The right operand of a product in panels: in which order it is copied there."""

from __future__ import annotations

import math

import tvm
from tvm import s_tir
from tvm.s_tir.schedule import LoopRV, SBlockRV

from .analysis import collect, mentions
from .matmul import Contraction


def is_turned(found: Contraction) -> bool:
    """Whether the right operand lies along depth alone, as a transposed matrix does."""
    block = found.stage.block
    buffer = block.reads[found.right].source
    lasts = [
        load.indices[-1]
        for load in collect(block.body, tvm.ir.TensorLoad)
        if load.source.same_as(buffer)
    ]
    return found.right_runs and not any(
        mentions(last, each.var) for last in lasts for each in found.columns
    )


def has_windows(found: Contraction) -> bool:
    """Whether the right operand lies along depth and columns alike: a window that moves over it."""
    return found.right_runs and not is_turned(found)


def is_of_lines(found: Contraction) -> bool:
    """Whether the right operand's windows move along one line, whose vectors are in memory."""
    return has_windows(found) and len(found.columns) == 1


def order_panel(sch: s_tir.Schedule, block: SBlockRV, turned: bool, nr: int, even: bool) -> None:
    """The loops of one panel's copy: by vectors along a row, or by square tiles if the operand is
    transposed, which are exchanged in registers (`codegen/transposes.py`).

    Panels that do not come out `even` have tests for each element; LLVM sees what to make of these.
    """
    *_, k, own = sch.get_loops(block)
    side = math.gcd(nr, int(sch.get(k).extent), 16)
    if turned and side >= 4:
        (k, own_k), (j, own_j) = (sch.split(loop, [None, side]) for loop in (k, own))
        sch.reorder(k, j, own_k, own_j)
    elif even and not turned:
        sch.vectorize(own)


def order_panels(sch: s_tir.Schedule, block: SBlockRV, runs: bool, nr: int, group: int) -> LoopRV:
    """Order the loops of the right operand's packing; its outer loop, which may run in parallel.

    Where depth runs along the source's memory (`runs`), the columns of a panel are read abreast;
    else its rows one after the other. Neighbours in depth of one instruction are written together.
    """
    b, *ks, j = sch.get_loops(block)
    if group > 1:
        *outer, k = ks
        k, four = sch.split(k, [None, group])
        j_tile, own = sch.split(j, [None, nr])
        sch.reorder(b, j_tile, *outer, k, own, four)
        sch.unroll(four)
        return sch.fuse(b, j_tile)
    if runs:
        j_tile, own = sch.split(j, [None, nr])
        sch.reorder(b, j_tile, *ks, own)
        return sch.fuse(b, j_tile)
    return sch.fuse(b, ks[0])
