"""Stores to parameters at indices from memory: one after another where they may meet.

    y[256*target[t] + c] = x[t, c]     ->    for c (spatial): for t in order: y[target[t], c] = …

Two points of an axis are kept apart where their indices differ whatever the rest of the index is;
such axes are spatial, the others stay in the order of the program inside the block. Updates such
as `bins[a[i]] += 1` read the element as the step before left it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from ..program import Store
from .invert import reach_of
from .refusal import Unraisable
from .tensors import Axis, Output, Recurrence, Tensor, knowing
from .writes import Write, common, tightened


def refuse_meetings(write: Write, others: list[Write]) -> None:
    """Refuses a scatter that takes turns with other stores to its parameter: that stands with them
    in a loop of which one iteration comes after another."""
    for other in others:
        shared = write.loops[: common(other.loops, write.loops)]
        if other is not write and not all(loop.parallel for loop in shared):
            name = write.store.buffer.name
            raise Unraisable(f"stores to {name!r} take turns", write.store.span)


def updates_at_place(store: Store | None) -> bool:
    """Whether a store at an index from memory needs of its array the element that it stores to."""
    if store is None or not tir.has_load(store.index):
        return False
    own = store.buffer[store.index]
    found = [load for expr in (store.value, store.index) for load in tir.loads(expr)]
    return all(tir.same(load, own) for load in found if load.source.same_as(store.buffer))


def scattered(write: Write, index: Expr) -> Output:
    """The output of a store whose tensor has all loops as axes, with `index` over tensors."""
    assert write.tensor is not None
    tensor = write.tensor
    plain = tuple(test for test in tensor.guard if not tir.has_load(test))
    extents, pinned, tests = tightened(list(write.loops), plain)
    tests += [test for test in tensor.guard if tir.has_load(test)]
    axes = tuple((loop.var, extents[loop.var]) for loop in write.loops if loop.var not in pinned)
    param = write.store.buffer
    index = _normal(tir.substitute(index, pinned))
    value = tir.map_loads(
        tir.substitute(tensor.value, pinned),
        lambda load: param[index] if load.source.same_as(param) else load,
    )
    kept = apart(index, axes, tests)
    ordered = tuple(axis for axis in axes if axis[0] not in kept)
    final = Tensor(
        tensor.buffer,
        axes,
        value,
        None,
        tuple(tir.substitute(test, pinned) for test in tests),
        tensor.span,
        Recurrence(ordered, ()) if ordered else None,
    )
    return Output(param, index, final)


def _normal(index: Expr) -> Expr:
    """What comes from memory, and what does not as one term."""
    terms, constant = affine(index)
    wide = [(c, atom) for c, atom in terms if tir.has_load(atom) or tir.dtype_of(atom) != "int32"]
    plain = [atom * c for c, atom in terms if not any(atom is other for _, other in wide)]
    dtype = tir.dtype_of(index)
    parts = [(tirx.Cast(dtype, a) if tir.dtype_of(a) != dtype else a) * c for c, a in wide]
    rest = sum(plain, tir.const(constant, "int32"))
    return sum(parts, rest if dtype == "int32" else tirx.Cast(dtype, rest))


def is_ordered(output: Output) -> bool:
    """Whether all axes of a scatter that may meet are in order."""
    tensor = output.tensor
    ordered = {var for var, _ in tensor.recurrence.axes} if tensor.recurrence else set()
    return {var for var, _ in tensor.axes} <= ordered | apart(
        output.index, tensor.axes, tensor.guard
    )


def apart(index: Expr, axes: tuple[Axis, ...], tests: Iterable[Expr] = ()) -> set[Var]:
    """The axes whose points never have the same index, where the tests hold.

    In `m*e + c` with e from memory these are the axes of c, if c tells them all apart and stays
    below m: two indices then differ by no multiple of m.
    """
    terms, _ = affine(index)
    extents = dict(axes)
    own = [(c, atom) for c, atom in terms if isinstance(atom, tirx.Var) and atom in extents]
    own.sort(key=lambda term: abs(term[0]))
    with knowing(axes, tests) as analyzer:
        for count in range(len(own), 0, -1):
            pairs = [(c, (var, extents[var])) for c, var in own[:count]]
            inner = {var for _, (var, _) in pairs}
            # What else the index is made of is a multiple of this, whatever memory says.
            modulus = gcd(*(c for c, atom in terms if atom not in inner))
            reach = reach_of(pairs[::-1], analyzer)
            if reach is not None and (not modulus or reach < modulus):
                return inner
    return set()


def affine(expr: Expr) -> tuple[list[tuple[int, Expr]], int]:
    """A sum as constant factors and what they multiply, each once, and its constant.

    Looks through casts that widen.
    """
    total: list[tuple[int, Expr]] = []
    constant = 0
    for c, atom in _terms(expr, 1):
        known = tir.as_const(atom)
        if known is not None:
            constant += c * known
            continue
        for place, (before, other) in enumerate(total):
            if tir.same(atom, other):
                total[place] = (before + c, other)
                break
        else:
            total.append((c, atom))
    return [(c, atom) for c, atom in total if c], constant


def _terms(expr: Expr, factor: int) -> list[tuple[int, Expr]]:
    if isinstance(expr, (tirx.Add, tirx.Sub)):
        sign = factor if isinstance(expr, tirx.Add) else -factor
        return _terms(expr.a, factor) + _terms(expr.b, sign)
    if isinstance(expr, tirx.Mul):
        for side, other in ((expr.a, expr.b), (expr.b, expr.a)):
            known = tir.as_const(side)
            if known is not None:
                return _terms(other, factor * known)
    if isinstance(expr, tirx.Cast) and tir.dtype_of(expr) == "int64":
        inner = expr.value
        if tir.dtype_of(inner) == "int32" and not tir.has_load(inner):
            return _terms(inner, factor)
    return [(factor, expr)]
