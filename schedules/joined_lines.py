"""Lines of an image one behind the other, so that a product's vectors need not end with a line.

    C[o, i, j] += W[o, c, k, l] * X[c, i + k, j + l]

becomes, with lines of `w` elements as far as they are read,

    P[c, y * w + x] = X[c, y, x]
    S[o, f] += W[o, c, k, l] * P[c, f + k * w + l]
    C[o, i, j] = S[o, i * w + j]

Sums that lie between two lines are worked out, too, and go nowhere: a few of them cost less than
vectors that are half full at the end of each line, and a panel of P is a copy of whole vectors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import tvm
from tvm import tirx

from xpiler_tvm import tir

from .analysis import extent_of, mentions
from .borders import box_of, choices_in
from .nests import Iterators, Nest, parts_of, program_of, with_regions


@dataclass(frozen=True)
class Joined:
    """A program whose lines are joined, and the names of its stages that do so and undo it.

    `worth` is the share of the sums that are asked for, of those that are worked out; `length` of
    one line.
    """

    mod: tvm.IRModule
    names: tuple[str, str]
    worth: float
    length: int


def with_joined_lines(mod: tvm.IRModule, multiple: int) -> Joined | None:
    """The program with joined lines, so that sums are a multiple; `None` where it has none.

    That is one reduction of a window that moves by single steps over the last two dimensions of one
    array, to sums that lie likewise.
    """
    parts = parts_of(mod)
    nests = [part for part in parts if isinstance(part, Nest)]
    reducing = [nest for nest in nests if nest.reduced]
    if len(nests) != len(parts) or len(reducing) != 1 or len(reducing[0].store.indices) < 2:
        return None
    (nest,) = reducing
    if choices_in(nest.store.value):
        return None
    found = next((load for load in nest.loads() if _slides(nest, load)), None)
    box = box_of(nest, found) if found is not None else None
    if found is None or box is None or tir.as_const(nest.guard) != 1:
        return None
    image, sums, result = _joined(nest, found, box, multiple)
    place = next(at for at, part in enumerate(parts) if part is nest)
    before = [
        # What adds a border need not be stored twice.
        replace(part, kept=False, stmt=None)
        if isinstance(part, Nest) and part.store.buffer.same_as(found.source)
        else part
        for part in parts[:place]
    ]
    changed = [*before, image, sums, result, *parts[place + 1 :]]
    added = (image.store.buffer, sums.store.buffer)
    asked = math.prod(extent_of(each.dom) for each in _last_two(nest))
    return Joined(
        program_of(mod, changed, added),
        (image.name, result.name),
        asked / int(sums.store.buffer.shape[-1]),
        extent_of(_last_two(nest)[-1].dom),
    )


def _last_two(nest: Nest) -> Iterators:
    """The iterators that are the last two indices of what is written, if they are that."""
    written = list(nest.store.indices)[-2:]
    return tuple(each for index in written for each in nest.spatial if index.same_as(each.var))


def _slides(nest: Nest, load: tvm.ir.TensorLoad) -> bool:
    """Whether a window moves over the last two dimensions of what is loaded, and only there."""
    lines = _last_two(nest)
    if len(lines) != 2 or len(load.indices) < 2:
        return False
    simplify = tvm.sym.Analyzer().simplify
    *others, down, along = load.indices
    rest = [simplify(down - lines[0].var), simplify(along - lines[1].var)]
    fixed = [mentions(index, each.var) for index in (*others, *rest) for each in lines]
    beside = [
        mentions(index, each.var)
        for other in nest.loads()
        if not tir.same(other, load)
        for index in other.indices
        for each in lines
    ]
    taps = [each for each in nest.reduced if extent_of(each.dom) > 1]
    slides = all(any(mentions(index, tap.var) for tap in taps) for index in rest)
    return slides and not any(fixed) and not any(beside)


def _joined(
    nest: Nest, load: tvm.ir.TensorLoad, box: Sequence[tuple[int, int]], multiple: int
) -> tuple[Nest, Nest, Nest]:
    """The stages P, S and C."""
    lows = [low for low, _ in box]
    *extents, lines, length = [high - low + 1 for low, high in box]
    down, along = _last_two(nest)
    count = (extent_of(down.dom) - 1) * length + extent_of(along.dom)
    count = -(-count // multiple) * multiple
    # Sums beyond the last line read elements beyond it.
    taps = (lines - extent_of(down.dom)) * length + length - extent_of(along.dom)
    all_lines = -(-(count + taps) // length)
    always = tirx.const(True, "bool")

    name, dtype = f"{nest.name}_lines", tir.dtype_of(load)
    array = tirx.decl_buffer([*extents, all_lines * length], dtype, name)
    own = _iterators([*extents, all_lines, length])
    *outer, y, x = [each.var for each in own]
    places = [var + low for var, low in zip((*outer, y, x), lows, strict=True)]
    value = load.source[tuple(places)]
    if all_lines > lines:
        value = tirx.if_then_else(y < lines, value, tirx.const(0, dtype))
    store = tirx.BufferStore(array, value, [*outer, y * length + x])
    image = with_regions(Nest(own, always, store, None, (), (), name, None, kept=True))

    # S: one iterator for the last two, where the first of them stood.
    *first, _, _ = nest.store.indices
    together = tirx.IterVar(tvm.ir.Range(0, count), tirx.Var("vf", "int32"), 0)
    iterators = [
        together if each.same_as(along) else each
        for each in nest.iterators
        if not each.same_as(down)
    ]
    written = nest.store.buffer
    target = tirx.decl_buffer([*written.shape[:-2], count], str(written.dtype), f"{nest.name}_sums")
    simplify = tvm.sym.Analyzer().simplify
    *others, row, column = load.indices
    offset = (row - down.var - lows[-2]) * length + column - along.var - lows[-1]
    indices = [simplify(each - low) for each, low in zip(others, lows, strict=False)]
    place = (*indices, simplify(together.var + offset))
    element, own_sum = array[place], (*first, together.var)

    def changed(each: tvm.ir.TensorLoad) -> tvm.ir.Expr:
        if tir.same(each, load):
            return element
        return target[own_sum] if nest.is_own(each) else each

    value = tir.map_loads(nest.store.value, changed)
    assert nest.init is not None
    sums = replace(
        nest,
        iterators=tuple(iterators),
        store=tirx.BufferStore(target, value, own_sum),
        init=tirx.BufferStore(target, nest.init.value, own_sum),
        name=f"{nest.name}_sums",
        stmt=None,
    )

    spatial = nest.spatial
    fresh = _iterators([extent_of(each.dom) for each in spatial])
    names = {old.var: new.var for old, new in zip(spatial, fresh, strict=True)}
    at = [tir.substitute(index, names) for index in nest.store.indices]
    joined = (*at[:-2], at[-2] * length + at[-1])
    stored = tirx.BufferStore(written, target[joined], at)
    result = with_regions(Nest(fresh, always, stored, None, (), (), nest.name, None))
    return image, with_regions(sums), result


def _iterators(extents: Sequence[int]) -> Iterators:
    return tuple(
        tirx.IterVar(tvm.ir.Range(0, extent), tirx.Var(f"vn{place}", "int32"), 0)
        for place, extent in enumerate(extents)
    )
