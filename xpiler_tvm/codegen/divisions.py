"""Divisions of a loop by what stays the same in it become multiplications.

    for j: y[j] = x[j] / s[i]   ->   if 2^-126 <= |s[i]| <= 2^126: for j: y[j] = x[j] * (1 / s[i])
                                     else: for j: y[j] = x[j] / s[i]

LLVM works the reciprocal out before the loop. A vector division takes as long as ten products. The
results are within 1.5 units of the last place of exact ones, not 0.5; where a reciprocal would be
denormal or infinite, or `s` is no number, divisions stay.
"""

from __future__ import annotations

import struct

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir

Expr = tir.Expr

_LEAST, _MOST = (struct.unpack("<i", struct.pack("<f", end))[0] for end in (2.0**-126, 2.0**126))
_SHORT = 32
"""Steps of a loop that are not worth a second version of it."""


def by_reciprocals(body: tirx.Stmt) -> tirx.Stmt:
    """The program with the loops of one store each, perhaps nested, in both versions."""
    return tvm_ffi.structural_map(body, (tirx.For, _versions), order="post")


def _versions(loop: tirx.For) -> tirx.Stmt:
    extent = tir.as_const(loop.extent)
    parallel = loop.kind in (tirx.ForKind.PARALLEL, tirx.ForKind.VECTORIZED)
    if parallel or (extent is not None and extent < _SHORT):
        return loop
    variables = [loop.loop_var]
    inner = loop.body
    while isinstance(inner, tirx.For):
        variables.append(inner.loop_var)
        inner = inner.body
    if not isinstance(inner, tirx.BufferStore):
        return loop
    fixed = _fixed_divisors(inner, variables)
    if not fixed:
        return loop

    def quotient(node: tirx.Div) -> Expr:
        if not any(tir.same(node.b, each) for each in fixed):
            return node
        return node.a * (tirx.const(1.0, "float32") / node.b)

    safe: Expr = tirx.const(True, "bool")
    for each in fixed:
        magnitude = tirx.reinterpret("int32", each) & 0x7FFFFFFF
        safe = tirx.all(safe, magnitude >= _LEAST, magnitude <= _MOST)
    quick = tvm_ffi.structural_map(_renewed(loop), (tirx.Div, quotient), order="post")
    return tirx.IfThenElse(safe, quick, loop)


def _fixed_divisors(store: tirx.BufferStore, variables: list[tirx.Var]) -> list[Expr]:
    """What a store divides by in float32, where all steps of its loops divide by the same.

    None where a choice may guard the divisor, or a name stands for a part of it.
    """
    divisions: list[tirx.Div] = []
    others: list[object] = []

    def note(node: Expr) -> None:
        if isinstance(node, tirx.Let) or getattr(node.op, "name", "") == "prim.if_then_else":
            others.append(node)

    nodes = [(tirx.Div, divisions.append), (tvm.ir.Call, note), (tirx.Let, note)]
    tvm_ffi.structural_walk(store.value, nodes)
    if others:
        return []
    found: list[Expr] = []
    for each in divisions:
        loads = tir.loads(each.b)
        if (
            tir.dtype_of(each) == "float32"
            and loads
            and not tir.uses(each.b, variables)
            and not any(load.source.same_as(store.buffer) for load in loads)
            and not any(tir.same(each.b, one) for one in found)
        ):
            found.append(each.b)
    return found


def _renewed(loop: tirx.For) -> tirx.For:
    """The loop with variables of its own, as each may be bound once."""
    body = _renewed(loop.body) if isinstance(loop.body, tirx.For) else loop.body
    fresh = tirx.Var(loop.loop_var.name, tir.dtype_of(loop.loop_var))
    moved = tir.substitute(body, {loop.loop_var: fresh})
    return tirx.For(fresh, loop.min, loop.extent, loop.kind, moved, None, loop.annotations)
