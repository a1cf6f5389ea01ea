"""Integers that wrap in the text, but not for any value they have here.

    (int)((unsigned)(16*b) - 2u)    ->    16*b - 2

Arithmetic modulo 2^n may be done without wrapping, and be brought into range once at the end; where
the result is in range already, nothing is left of it. The reader writes such arithmetic with casts,
masks, and `(e ^ 2^(n-1)) - 2^(n-1)` for the sign.
"""

from __future__ import annotations

from typing import Any

import tvm_ffi
from tvm import tirx
from tvm.tirx import BitwiseAnd, BitwiseXor

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from ..program import Program
from .contexts import map_expressions

_BITS = {"int32": 32, "uint32": 32, "int64": 64}
# What gives in 32 bits what it gives in 64, where operands and result have room there.
_WITHIN = (tirx.Add, tirx.Sub, tirx.Mul, tirx.FloorDiv, tirx.FloorMod, tirx.Min, tirx.Max)


def unwrap(program: Program) -> Program:
    """The program with such integers as plain ones."""
    return map_expressions(program, plain)


def plain(expr: Expr, analyzer: Any) -> Expr:
    """`expr` with the wraps that never happen left out."""
    if not _wraps(expr):
        return expr

    def change(node: Expr) -> Expr:
        found = _signed(node) or low_part(node)
        if found is None or tir.dtype_of(node) != "int64":
            return node
        inner, low, high = found
        whole = _unwrapped(inner, high - low + 1, analyzer)
        if whole is None:
            return node
        least, most = tir.bounds(analyzer, whole)
        if not low <= least <= most <= high:
            return node
        return analyzer.simplify(whole)  # both are int64

    # Signs first: what they are taken of is a mask too.
    expr = tvm_ffi.structural_map(expr, (tirx.Sub, change), order="pre")
    expr = tvm_ffi.structural_map(expr, (BitwiseAnd, change), order="post")
    return tvm_ffi.structural_map(
        expr, (tirx.Cast, lambda node: _narrowed(node, analyzer)), order="post"
    )


def _wraps(expr: Expr) -> bool:
    found: list[Expr] = []

    tvm_ffi.structural_walk(expr, [(BitwiseAnd, found.append)], order="pre")
    return bool(found)


def low_part(node: Expr) -> tuple[Expr, int, int] | None:
    """`(e, 0, 2^n - 1)` of `e & (2^n - 1)`, its low n bits."""
    mask = tir.as_const(node.b) if isinstance(node, BitwiseAnd) else None
    if mask is None or mask <= 0 or mask & (mask + 1):
        return None
    return node.a, 0, mask


def _signed(node: Expr) -> tuple[Expr, int, int] | None:
    """`(e, -h, h - 1)` of `((e & (2*h - 1)) ^ h) - h`."""
    half = tir.as_const(node.b) if isinstance(node, tirx.Sub) else None
    if half is None or not isinstance(node.a, BitwiseXor) or tir.as_const(node.a.b) != half:
        return None
    inner = low_part(node.a.a)
    return (inner[0], -half, half - 1) if inner is not None and inner[2] == 2 * half - 1 else None


def _unwrapped(expr: Expr, modulus: int, analyzer: Any) -> Expr | None:
    """An int64 expression that is `expr` modulo a power of two, without wraps of its own.

    `None` where a part of it may overflow.
    """
    found = low_part(expr) or _signed(expr)
    if found is not None and (found[2] - found[1] + 1) % modulus == 0:
        return _unwrapped(found[0], modulus, analyzer)
    dtype = tir.dtype_of(expr)
    if isinstance(expr, tirx.Cast) and (1 << _BITS.get(dtype, 0)) % modulus == 0:
        inner = tir.dtype_of(expr.value)
        if inner in _BITS:
            return _unwrapped(expr.value, modulus, analyzer)
    if isinstance(expr, (tirx.Add, tirx.Sub, tirx.Mul)):
        sides = [_unwrapped(side, modulus, analyzer) for side in (expr.a, expr.b)]
        if sides[0] is None or sides[1] is None:
            return None
        whole = type(expr)(*sides)
    elif _hides_sign(expr, analyzer):
        return None
    else:
        whole = expr if dtype == "int64" else tirx.Cast("int64", expr)
    low, high = tir.bounds(analyzer, whole)
    return whole if -(1 << 62) < low <= high < 1 << 62 else None


def _hides_sign(expr: Expr, analyzer: Any) -> bool:
    """Whether an expression takes a number that may be negative as unsigned: TVM's bounds of what
    comes out are then too low."""
    found: list[Expr] = []
    tvm_ffi.structural_walk(expr, [(tirx.Cast, found.append)], order="pre")
    return any(
        tir.dtype_of(node).startswith("uint") and tir.bounds(analyzer, node.value)[0] < 0
        for node in found
        if tir.is_int(node.value)
    )


def _narrowed(node: Expr, analyzer: Any) -> Expr:
    """`int32(a + int64(b))` in 32 bits where that does not overflow."""
    if tir.dtype_of(node) != "int32" or tir.dtype_of(node.value) != "int64":
        return node
    narrow = in_int32(node.value, analyzer)
    return node if narrow is None else analyzer.simplify(narrow)


def in_int32(expr: Expr, analyzer: Any) -> Expr | None:
    """An int64 in 32 bits; `None` where it may not fit, or is read from memory."""
    low, high = tir.bounds(analyzer, expr)
    if not -(1 << 31) <= low <= high < 1 << 31:
        return None
    known = tir.as_const(expr)
    if known is not None:
        return tir.const(known, "int32")
    if isinstance(expr, tirx.Cast) and tir.dtype_of(expr.value) == "int32":
        return expr.value
    if isinstance(expr, _WITHIN):
        sides = [in_int32(side, analyzer) for side in (expr.a, expr.b)]
        return None if any(side is None for side in sides) else type(expr)(*sides)
    return None
