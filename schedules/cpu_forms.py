"""Forms of a program that the rules for CPUs make before they schedule it.

    C[i, j] += s8 A[i, k] * s8 B[k, j]   ->   U[i, k] = u8(A[i, k] + 128)
                                              S[j] += B[k, j]
                                              T[i, j] += u8 U[i, k] * s8 B[k, j]
                                              C[i, j] = T[i, j] - 128 * S[j]

The dot product of bytes takes one unsigned and one signed operand. All sums are exact in int32 up
to `DEEPEST` products.

    S[i] += exp(A[i, k] - M[i])                F[i, k] = exp(A[i, k] - M[i])
    O[i, j] = exp(A[i, j] - M[i]) / S[i]  ->   S[i] += F[i, k]
                                               O[i, j] = F[i, j] / S[i]

What costs much is worked out once where a later stage needs the very same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir

from .analysis import collect
from .canonical import Iterators, Nest, Part, parts_of, program_of, with_regions
from .matmul import Contraction

DEEPEST = (1 << 31) // (255 * 128) - 1
"""Products of unsigned and signed bytes that int32 holds the sum of, whatever they are."""


@dataclass(frozen=True)
class Compensated:
    """A program with one unsigned operand, and the names of its stages: U, S and T above."""

    mod: tvm.IRModule
    unsigned: str
    sums: str
    product: str


def compensated(mod: tvm.IRModule, found: Contraction) -> Compensated | None:
    """The program with the left operand of a product of int8 made unsigned.

    `None` where the product is deeper than int32 allows, or guarded.
    """
    *_, depth = found.extents()
    parts = parts_of(mod)
    place = next(
        (
            index
            for index, part in enumerate(parts)
            if isinstance(part, Nest) and part.name == found.stage.name
        ),
        None,
    )
    if place is None or depth > DEEPEST:
        return None
    nest = parts[place]
    assert isinstance(nest, Nest)
    if tir.as_const(nest.guard) != 1 or nest.init is None:
        return None
    block = found.stage.block
    left, right = (block.reads[each].source for each in (found.left, found.right))
    loads = {
        name: next(load for load in tir.loads(nest.store.value) if load.source.same_as(buffer))
        for name, buffer in (("left", left), ("right", right))
    }
    unsigned = tirx.decl_buffer(left.shape, "uint8", f"{nest.name}_unsigned")
    shift = _elementwise(f"{nest.name}_unsigned", unsigned, left)
    used = tuple(each for each in nest.spatial if tir.uses(loads["right"], [each.var]))
    sums = tirx.decl_buffer([each.dom.extent for each in used], "int32", f"{nest.name}_sums")
    total = tirx.decl_buffer(
        [each.dom.extent for each in nest.spatial], "int32", f"{nest.name}_bytes"
    )

    def own(kept: Iterators) -> tuple[Iterators, dict[tirx.Var, tirx.Var]]:
        fresh = tuple(
            tirx.IterVar(each.dom, tirx.Var(each.var.name, "int32"), each.iter_type)
            for each in kept
        )
        return fresh, {old.var: new.var for old, new in zip(kept, fresh, strict=True)}

    iterators, names = own((*used, *nest.reduced))
    signed = tirx.Cast("int32", tir.substitute(loads["right"], names))
    summing = _sum(f"{nest.name}_sums", sums, iterators, signed)

    iterators, names = own((*nest.spatial, *nest.reduced))
    indices = [tir.substitute(index, names) for index in loads["left"].indices]
    factors = (
        tirx.Cast("int32", unsigned[tuple(indices)]),
        tirx.Cast("int32", tir.substitute(loads["right"], names)),
    )
    product = _sum(f"{nest.name}_bytes", total, iterators, factors[0] * factors[1])

    iterators, names = own(nest.spatial)
    at = tuple(each.var for each in iterators)
    among = tuple(names[each.var] for each in used)
    value = total[at] - tirx.const(128, "int32") * sums[among]
    target = [tir.substitute(index, names) for index in nest.store.indices]
    store = tirx.BufferStore(nest.store.buffer, value, target)
    last = with_regions(replace(nest, iterators=iterators, store=store, init=None, stmt=None))

    changed = [*parts[:place], shift, summing, product, last, *parts[place + 1 :]]
    return Compensated(
        program_of(mod, changed, (unsigned, sums, total)), shift.name, summing.name, product.name
    )


COSTLY = ("exp", "exp2", "exp10", "log", "log2", "tanh", "erf", "sin", "cos", "pow", "sigmoid")


def shared_values(mod: tvm.IRModule) -> tuple[tvm.IRModule, list[tirx.Buffer]]:
    """The program with costly values that two stages need in arrays, and the arrays of such."""
    parts = parts_of(mod)
    added = _read_twice(parts)
    for place, first in enumerate(parts):
        if not isinstance(first, Nest) or tir.as_const(first.guard) != 1:
            continue
        for value in _costly(first):
            later = _also_needed(value, first, parts[place:])
            if later:
                array, changed = _worked_out(value, first, [parts[each + place] for each in later])
                for each, nest in zip(later, changed[2:], strict=True):
                    parts[place + each] = nest
                parts[place : place + 1] = changed[:2]
                return program_of(mod, parts, [array]), [*added, array]
    return mod, added


def _read_twice(parts: Sequence[Part]) -> list[tirx.Buffer]:
    """The arrays of costly elementwise stages that several others read."""
    nests = [part for part in parts if isinstance(part, Nest)]
    return [
        nest.store.buffer
        for nest in nests
        if nest.init is None
        and _costly(nest)
        and sum(
            any(load.source.same_as(nest.store.buffer) for load in other.loads()) for other in nests
        )
        > 1
    ]


def _costly(nest: Nest) -> list[tvm.ir.Expr]:
    """The outermost costly calls of a stage."""
    found: list[tvm.ir.Expr] = []
    for call in collect(nest.store.value, tvm.ir.Call):
        name = str(getattr(call.op, "name", "")).removeprefix("tirx.")
        inside = any(call.same_as(each) for outer in found for each in collect(outer, tvm.ir.Call))
        if name in COSTLY and tir.loads(call) and not inside:
            found.append(call)
    guarded = any(
        getattr(call.op, "name", "") == "prim.if_then_else"
        for call in collect(nest.store.value, tvm.ir.Call)
    )
    return [] if guarded else found


def _names(one: Nest, two: Nest) -> dict[tirx.Var, tirx.Var] | None:
    """Iterators of `two` for those of `one`, in their order, if they are of the same extents."""
    extents = [[tir.as_const(each.dom.extent) for each in nest.iterators] for nest in (one, two)]
    if extents[0] != extents[1]:
        return None
    return {a.var: b.var for a, b in zip(one.iterators, two.iterators, strict=True)}


def _also_needed(value: tvm.ir.Expr, first: Nest, parts: Sequence[Part]) -> list[int]:
    """The places of the later stages that work out the same, until something it reads changes."""
    sources = [load.source for load in tir.loads(value)]
    if any(first.store.buffer.same_as(each) for each in sources):
        return []
    found = []
    for place, part in enumerate(parts[1:], 1):
        if not isinstance(part, Nest) or any(part.store.buffer.same_as(each) for each in sources):
            break
        names = _names(first, part)
        if names is not None and tir.as_const(part.guard) == 1:
            same = tir.substitute(value, names)
            if any(tir.same(same, each) for each in _costly(part)):
                found.append(place)
    return found


def _worked_out(
    value: tvm.ir.Expr, first: Nest, later: Sequence[Part]
) -> tuple[tirx.Buffer, list[Nest]]:
    """An array of a value over the axes of `first`, the stage that fills it, and its readers."""
    used = [each for each in first.iterators if tir.uses(value, [each.var])]
    array = tirx.decl_buffer(
        [each.dom.extent for each in used], tir.dtype_of(value), f"{first.name}_shared"
    )
    own = tuple(tirx.IterVar(each.dom, tirx.Var(each.var.name, "int32"), 0) for each in used)
    fresh = {old.var: new.var for old, new in zip(used, own, strict=True)}
    store = tirx.BufferStore(array, tir.substitute(value, fresh), [each.var for each in own])
    filling = with_regions(Nest(own, _free(), store, None, (), (), f"{first.name}_shared", None))
    readers = []
    for nest in (first, *later):
        assert isinstance(nest, Nest)
        names = _names(first, nest) or {}
        wanted = tir.substitute(value, names)
        load = array[tuple(names[each.var] for each in used)]

        def read(
            call: tvm.ir.Expr, wanted: tvm.ir.Expr = wanted, load: tvm.ir.Expr = load
        ) -> tvm.ir.Expr:
            return load if tir.same(call, wanted) else call

        changed = tvm_ffi.structural_map(nest.store.value, (tvm.ir.Call, read), order="post")
        stored = tirx.BufferStore(nest.store.buffer, changed, list(nest.store.indices))
        readers.append(with_regions(replace(nest, store=stored, stmt=None)))
    return array, [filling, *readers]


def _free() -> tvm.ir.Expr:
    return tirx.const(True, "bool")


def _elementwise(name: str, array: tirx.Buffer, source: tirx.Buffer) -> Nest:
    """`array` = `source` + 128, element by element."""
    iterators = tuple(
        tirx.IterVar(tvm.ir.Range(0, extent), tirx.Var(f"va{place}", "int32"), 0)
        for place, extent in enumerate(source.shape)
    )
    at = tuple(each.var for each in iterators)
    value = tirx.Cast("uint8", tirx.Cast("int32", source[at]) + tirx.const(128, "int32"))
    store = tirx.BufferStore(array, value, list(at))
    return with_regions(Nest(iterators, _free(), store, None, (), (), name, None))


def _sum(name: str, array: tirx.Buffer, iterators: Iterators, term: tvm.ir.Expr) -> Nest:
    at = [each.var for each in iterators if each.iter_type == tirx.IterVar.DataPar]
    store = tirx.BufferStore(array, array[tuple(at)] + term, at)
    init = tirx.BufferStore(array, tirx.const(0, "int32"), at)
    return with_regions(Nest(iterators, _free(), store, init, (), (), name, None))
