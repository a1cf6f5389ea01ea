"""Costly values that several stages work out become stages of their own.

    S[i] += exp(x[i, k] - m[i])                     E[i, k] = exp(x[i, k] - m[i])
    O[i, j] = exp(x[i, j] - m[i]) / S[i]     ->     S[i] += E[i, k];  O[i, j] = E[i, j] / S[i]

Kernels recompute what they would have to store; where fast memory has room for it that is waste.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir

from .analysis import Stage, collect
from .nests import Iterators, Nest, Part, parts_of, program_of, with_regions
from .steps import CHEAP_CALLS, is_costly

MOST_STAGES = 8
"""Stages that one program gets; each makes it slower to schedule."""


@dataclass(frozen=True)
class _Use:
    """A costly call in the nest at `place`, and the nest's iterators as they come up in it."""

    place: int
    call: tvm.ir.Call
    iterators: Iterators

    def named(self, names: Sequence[tirx.Var]) -> tvm.ir.Expr:
        """The call with other names for the iterators."""
        own = [each.var for each in self.iterators]
        return tir.substitute(self.call, dict(zip(own, names, strict=True)))

    def equals(self, other: _Use) -> bool:
        extents = [[int(each.dom.extent) for each in use.iterators] for use in (self, other)]
        if extents[0] != extents[1]:
            return False
        names = [each.var for each in self.iterators]
        return bool(tvm_ffi.structural_equal(self.call, other.named(names)))


def with_shared_values(mod: tvm.IRModule) -> tvm.IRModule:
    """The program with a stage for each costly value that several of its stages work out."""
    parts, added = parts_of(mod), list[tirx.Buffer]()
    while len(added) < MOST_STAGES:
        group = next(_groups(parts), None)
        if group is None:
            break
        name = group[0].call.op.name.rpartition(".")[2]
        parts, array = _computed_once(parts, group, f"{name}_values_{len(added)}")
        added.append(array)
    return program_of(mod, parts, added)


def read_twice(program: Sequence[Stage]) -> list[tirx.Buffer]:
    """The arrays of costly elementwise stages that several others read."""
    return [
        array
        for stage in program
        if stage.is_injective and is_costly(stage)
        for array in [stage.block.writes[0].source]
        if sum(any(r.source.same_as(array) for r in other.block.reads) for other in program) > 1
    ]


def _groups(parts: Sequence[Part]) -> Iterator[list[_Use]]:
    """Several uses of one value, the largest expressions first."""
    left = [use for place, part in enumerate(parts) for use in _uses(place, part)]
    left.sort(key=lambda use: -len(collect(use.call, tvm.ir.Expr)))
    while left:
        first = left[0]
        group = [use for use in left if use.equals(first)]
        left = [use for use in left if not any(use is each for each in group)]
        # What one stage works out too often, `canonical` and its own loops take care of.
        if len(group) > 1 and _is_settled(parts, group):
            yield group


def _uses(place: int, part: Part) -> Iterator[_Use]:
    """The costly calls of a nest that are worked out whatever the data are."""
    if not isinstance(part, Nest) or tir.as_const(part.guard) != 1:
        return
    value = part.store.value
    conditional = [
        call
        for node in collect(value, tvm.ir.Call)
        if node.op.name.endswith("if_then_else")
        for side in node.args[1:]
        for call in collect(side, tvm.ir.Call)
    ]
    for call in collect(value, tvm.ir.Call):
        costly = call.op.name not in CHEAP_CALLS and tir.has_load(call)
        if not costly or any(call.same_as(each) for each in conditional):
            continue
        if any(load.source.same_as(part.store.buffer) for load in tir.loads(call)):
            continue
        used = tir.variables(call)
        iterators = tuple(each for var in used for each in part.iterators if each.var.same_as(var))
        if iterators and len(iterators) == len({each.var for each in iterators}):
            yield _Use(place, call, iterators)


def _is_settled(parts: Sequence[Part], group: Sequence[_Use]) -> bool:
    """Whether what the value is made of is not written any more where it is used first."""
    first = min(use.place for use in group)
    read = [load.source for load in tir.loads(group[0].call)]
    written = [
        store.buffer
        for part in parts[first:]
        for store in (part.body if isinstance(part, Nest) else collect(part, tirx.BufferStore))
    ]
    return not any(buffer.same_as(each) for buffer in read for each in written)


def _computed_once(
    parts: Sequence[Part], group: Sequence[_Use], name: str
) -> tuple[list[Part], tirx.Buffer]:
    """The parts with a stage for the value before its first use, and the stage's array."""
    first = min(group, key=lambda use: use.place)
    nest = parts[first.place]
    assert isinstance(nest, Nest)
    # The array lies as the first user walks.
    order = sorted(
        range(len(first.iterators)),
        key=lambda place: next(
            i for i, each in enumerate(nest.iterators) if each.same_as(first.iterators[place])
        ),
    )
    dtype = tir.dtype_of(first.call)
    array = tirx.decl_buffer([first.iterators[i].dom.extent for i in order], dtype, name)
    own = [
        tirx.IterVar(each.dom, tirx.Var(each.var.name, "int32"), tirx.IterVar.DataPar)
        for each in first.iterators
    ]
    value = first.named([each.var for each in own])
    store = tirx.BufferStore(array, value, [own[i].var for i in order])
    free = tirx.const(True, "bool")
    iterators = tuple(own[i] for i in order)
    stage = with_regions(Nest(iterators, free, store, None, (), (), name, None))
    found: list[Part] = []
    for place, part in enumerate(parts):
        if place == first.place:
            found.append(stage)
        changed = part
        for use in group:
            if use.place == place:
                assert isinstance(changed, Nest)
                index = [use.iterators[i].var for i in order]
                changed = _reading(changed, use.call, array[tuple(index)])
        found.append(changed)
    return found, array


def _reading(nest: Nest, call: tvm.ir.Call, element: tvm.ir.Expr) -> Nest:
    """The nest with an element of an array in the place of a call."""
    store = nest.store
    value = tvm_ffi.structural_map(
        store.value,
        (tvm.ir.Call, lambda node: element if tvm_ffi.structural_equal(node, call) else node),
    )
    changed = tirx.BufferStore(store.buffer, value, list(store.indices))
    return with_regions(replace(nest, store=changed, stmt=None))
