"""Products of signed bytes as products of an unsigned and a signed one, which CPUs compute.

    C[i, j] += s8 A[i, k] * s8 B[k, j]   ->   U[i, k] = u8(A[i, k] + 128)
                                              S[j] += B[k, j]
                                              T[i, j] += u8 U[i, k] * s8 B[k, j]
                                              C[i, j] = T[i, j] - 128 * S[j]

The dot product of bytes takes one unsigned and one signed operand. All sums are exact in int32 up
to `DEEPEST` products.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import tvm
from tvm import tirx

from xpiler_tvm import tir

from .matmul import Contraction
from .nests import Iterators, Nest, parts_of, program_of, with_regions

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
