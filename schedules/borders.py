"""Images with their borders as arrays of their own, so that what slides over them asks for nothing.

    S[i] += X[i + k - 1] * W[k] if 1 <= i + k < 57 else 0

becomes

    P[j] = X[j - 1] if 1 <= j < 57 else 0
    S[i] += P[i + k] * W[k]

As in every library, a border is multiplied with the weights: zero by an infinity is no zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir

from .analysis import collect
from .nests import Nest, Part, parts_of, program_of, with_regions

CHOICE = "prim.if_then_else"


@dataclass(frozen=True)
class Bordered:
    """A program, and the names of its stages that add borders to images."""

    mod: tvm.IRModule
    names: tuple[str, ...] = ()


def with_borders(mod: tvm.IRModule) -> Bordered:
    """The program with a stage before each reduction that reads beyond an image under conditions.

    These have to be what being inside of the image means, no more and no less.
    """
    parts: list[Part] = []
    added: list[tirx.Buffer] = []
    for part in parts_of(mod):
        found = _bordered(part) if isinstance(part, Nest) and part.reduced else None
        if found is None:
            parts.append(part)
        else:
            parts += found
            added.append(found[0].store.buffer)
    return Bordered(program_of(mod, parts, added), tuple(str(each.name) for each in added))


def _bordered(nest: Nest) -> tuple[Nest, Nest] | None:
    """A stage for the image that a nest reads, and the nest with that; `None` where it does not
    fit."""
    choices = choices_in(nest.store.value)
    if len(choices) != 1 or tir.as_const(nest.guard) != 1:
        return None
    condition, value, otherwise = choices[0].args
    for load in tir.loads(value):
        outside = _outside(value, load, otherwise)
        if outside is not None and not any(tir.has_load(index) for index in load.indices):
            box = box_of(nest, load)
            if box is not None and _means_inside(nest, condition, load):
                return _split(nest, choices[0], load, box, outside)
    return None


def choices_in(node: tvm.ir.Expr | tirx.Stmt) -> list[tvm.ir.Call]:
    """The conditional values under `node`."""
    calls = collect(node, tvm.ir.Call)
    return [call for call in calls if getattr(call.op, "name", "") == CHOICE]


def _outside(
    value: tvm.ir.Expr, load: tvm.ir.TensorLoad, otherwise: tvm.ir.Expr
) -> tvm.ir.Expr | None:
    """What an image holds outside, so that `value` is `otherwise` there."""
    if value.same_as(load):
        return None if tir.has_load(otherwise) or tir.variables(otherwise) else otherwise
    zero = isinstance(otherwise, tirx.IntImm | tirx.FloatImm) and float(otherwise.value) == 0.0
    return tir.const(0, tir.dtype_of(load)) if zero and _is_factor(value, load) else None


def _is_factor(value: tvm.ir.Expr, load: tvm.ir.TensorLoad) -> bool:
    if isinstance(value, tirx.Mul):
        return _is_factor(value.a, load) or _is_factor(value.b, load)
    if isinstance(value, tirx.Cast):
        return _is_factor(value.value, load)
    return bool(value.same_as(load))


def _analyzer(nest: Nest) -> tvm.sym.Analyzer:
    return tir.analyzer_for({each.var: each.dom.extent for each in nest.iterators})


def box_of(nest: Nest, load: tvm.ir.TensorLoad) -> list[tuple[int, int]] | None:
    """The least and the greatest index that is asked for along each dimension."""
    analyzer = _analyzer(nest)
    box = [tir.bounds(analyzer, index) for index in load.indices]
    if not all(isinstance(extent, tirx.IntImm) for extent in load.source.shape):
        return None
    return box if all(low > -tir.INT32_MAX and high < tir.INT32_MAX for low, high in box) else None


def _inside(
    indices: Sequence[tvm.ir.Expr], box: Sequence[tuple[int, int]], image: tirx.Buffer
) -> list[tvm.ir.Expr]:
    """The tests that an element is one of the image's, without those that always hold."""
    tests = []
    for index, (low, high), extent in zip(indices, box, image.shape, strict=True):
        if low < 0:
            tests.append(index >= 0)
        if high >= int(extent):
            tests.append(index < extent)
    return tests


def _means_inside(nest: Nest, condition: tvm.ir.Expr, load: tvm.ir.TensorLoad) -> bool:
    """Whether a condition holds exactly where an element is in the image."""
    box = box_of(nest, load)
    assert box is not None
    tests = _inside(load.indices, box, load.source)
    return _follow(nest, tir.conjuncts(condition), tests) and _follow(
        nest, tests, tir.conjuncts(condition)
    )


def _follow(nest: Nest, given: Sequence[tvm.ir.Expr], wanted: Sequence[tvm.ir.Expr]) -> bool:
    """Whether some tests hold wherever others do."""
    analyzer = _analyzer(nest)
    with analyzer.constraint_scope(tir.conjunction(given)):
        return all(analyzer.can_prove(each) for each in wanted)


def _split(
    nest: Nest,
    choice: tvm.ir.Call,
    load: tvm.ir.TensorLoad,
    box: Sequence[tuple[int, int]],
    outside: tvm.ir.Expr,
) -> tuple[Nest, Nest]:
    name = f"{nest.name}_bordered"
    extents = [high - low + 1 for low, high in box]
    array = tirx.decl_buffer(extents, tir.dtype_of(load), name)
    iterators = tuple(
        tirx.IterVar(tvm.ir.Range(0, extent), tirx.Var(f"vn{place}", "int32"), 0)
        for place, extent in enumerate(extents)
    )
    places = [each.var for each in iterators]
    indices = [place + low for place, (low, _) in zip(places, box, strict=True)]
    inside = tir.conjunction(_inside(indices, box, load.source))
    copy = tirx.if_then_else(inside, load.source[tuple(indices)], outside)
    always = tirx.const(True, "bool")
    store = tirx.BufferStore(array, copy, places)
    stage = with_regions(Nest(iterators, always, store, None, (), (), name, None, kept=True))

    simplify = tvm.sym.Analyzer().simplify  # an iterator of one step is to stay
    shifted = [simplify(index - low) for index, (low, _) in zip(load.indices, box, strict=True)]
    value = tir.map_loads(
        choice.args[1], lambda each: array[tuple(shifted)] if tir.same(each, load) else each
    )
    changed = tvm_ffi.structural_map(
        nest.store.value,
        (tvm.ir.Call, lambda node: value if tir.same(node, choice) else node),
    )
    store = tirx.BufferStore(nest.store.buffer, changed, list(nest.store.indices))
    return stage, with_regions(replace(nest, store=store, stmt=None))
