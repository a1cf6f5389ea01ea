"""Convolutions in one form: the image with its borders, filters and sums as arrays of their own.

    C[n, y, x, o] += X[n, 2 * y + r - 1, 2 * x + q - 1, c] * W[o, r, q, c] if inside else 0

becomes a program in which nothing is conditional and no size is odd,

    I[n, h, w, c] = X[n, h - 1, w - 1, c] if inside else 0
    F[o, r, q, c] = W[o, r, q, c] if o and c exist else 0
    S[n, y, x, o] += I[n, 2 * y + r, 2 * x + q, c] * F[o, r, q, c]
    C[n, y, x, o] = S[n, y, x, o]

As in every library, a border is multiplied with the filter: zero by an infinity is no zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tvm
from tvm import tirx

from xpiler_tvm import tir

from .nests import Iterators, Nest, parts_of, program_of, with_regions
from .windows import Direction, Windows, digits_of_channel, image_indices, placed_condition


@dataclass(frozen=True)
class Multiples:
    """What the sizes of the rewritten program are multiples of."""

    height: int = 1
    width: int = 1
    columns: int = 1
    channels: int = 1


@dataclass(frozen=True)
class Windowed:
    """A rewritten program, and the name of its block S."""

    mod: tvm.IRModule
    name: str


def windowed(mod: tvm.IRModule, found: Windows, sizes: Multiples) -> Windowed:
    """The program with the image, the filters and the sums as arrays of their own (see above)."""
    nest = found.nest
    height, width = found.height, found.width
    outputs = {
        **{each: each.outputs for each in found.beyond},
        height: _padded(height.outputs, sizes.height),
        width: _padded(width.outputs, sizes.width),
    }
    columns = _padded(found.filter_count, sizes.columns)
    channels = _padded(found.depth, sizes.channels)
    spans = {each: each.span(outputs[each]) for each in found.directions}
    names = {kind: f"{nest.name}_{kind}" for kind in ("image", "filters", "sums")}
    own = [int(each.dom.extent) for each in (*found.batch, *found.images)]
    groups = [int(each.dom.extent) for each in found.batch]
    taps = [each.taps for each in found.directions]
    image = tirx.decl_buffer(
        [*own, *(spans[each] for each in found.directions), channels],
        str(found.image.source.dtype),
        names["image"],
    )
    filters = tirx.decl_buffer(
        [*groups, columns, *taps, channels], str(found.filters.source.dtype), names["filters"]
    )
    sums = tirx.decl_buffer(
        [*own, *(outputs[each] for each in found.directions), columns],
        str(nest.store.buffer.dtype),
        names["sums"],
    )
    parts = [
        _gathered(found, image, spans),
        _padded_filters(found, filters),
        _summed(found, image, filters, sums),
        _scattered(found, sums),
    ]
    before = parts_of(mod)
    at = next(
        place
        for place, part in enumerate(before)
        if isinstance(part, Nest) and part.name == nest.name
    )
    changed = [*before[:at], *parts, *before[at + 1 :]]
    return Windowed(program_of(mod, changed, (image, filters, sums)), names["sums"])


def _padded(extent: int, multiple: int) -> int:
    return -(-extent // multiple) * multiple


def _iterators(buffer: tirx.Buffer, names: str) -> Iterators:
    return tuple(
        tirx.IterVar(tvm.ir.Range(0, extent), tirx.Var(f"v{name}", "int32"), 0)
        for name, extent in zip(_names(names, len(buffer.shape)), buffer.shape, strict=True)
    )


def _names(last: str, count: int) -> list[str]:
    words = last.split()
    return [*(f"n{place}" for place in range(count - len(words))), *words]


def _store(buffer: tirx.Buffer, iterators: Iterators, value: tvm.ir.Expr) -> tirx.BufferStore:
    return tirx.BufferStore(buffer, value, [each.var for each in iterators])


def _always() -> tvm.ir.Expr:
    return tirx.const(True, "bool")


def _within(value: tvm.ir.Expr, extent: int, limit: int) -> list[tvm.ir.Expr]:
    """That a value is below its limit, where it may not be."""
    return [value < limit] if limit < extent else []


def _chosen(conditions: Sequence[tvm.ir.Expr], value: tvm.ir.TensorLoad) -> tvm.ir.Expr:
    """The value where all conditions hold, else 0."""
    if not conditions:
        return value
    zero = tirx.const(0, str(value.source.dtype))
    return tirx.if_then_else(tirx.all(*conditions), value, zero)


def _gathered(found: Windows, image: tirx.Buffer, spans: Mapping[Direction, int]) -> Nest:
    """I: the image with its borders, from where it lies."""
    iterators = _iterators(image, "h w c")
    names = [each.var for each in iterators]
    first = len(found.batch) + len(found.images)
    places: dict[object, tvm.ir.Expr] = {"channel": names[-1]}
    for each, name in zip((*found.batch, *found.images), names[:first], strict=True):
        places[each.var] = name
    limits: list[tvm.ir.Expr] = []
    for direction, name in zip(found.directions, names[first:-1], strict=True):
        places[direction] = name
        limits += _within(name, spans[direction], direction.span(direction.outputs))
    limits += _within(names[-1], int(image.shape[-1]), found.depth)
    conditions: list[tvm.ir.Expr] = []
    for condition in found.conditions:
        placed = placed_condition(found, condition, places)
        assert placed is not None  # `find_windows` has asked the same
        conditions.append(placed)
    analyzer = tvm.sym.Analyzer()
    with analyzer.constraint_scope(tirx.all(_always(), *conditions)):
        conditions = [*(each for each in limits if not analyzer.can_prove(each)), *conditions]
    indices = image_indices(found, places)
    assert indices is not None
    value = _chosen(conditions, found.image.source[tuple(indices)])
    store = _store(image, iterators, value)
    return with_regions(Nest(iterators, _always(), store, None, (), (), str(image.name), None))


def _padded_filters(found: Windows, filters: tirx.Buffer) -> Nest:
    """F: the filters with as many more, and as many channels more, as the sizes ask for."""
    iterators = _iterators(filters, "o r q c")
    names = [each.var for each in iterators]
    groups = len(found.batch)
    values = _old_iterators(found, names[:groups], names[groups], names[groups + 1 : -1], names[-1])
    conditions = _within(names[groups], int(filters.shape[groups]), found.filter_count)
    conditions += _within(names[-1], int(filters.shape[-1]), found.depth)
    indices = [tir.substitute(index, values) for index in found.filters.indices]
    value = _chosen(conditions, found.filters.source[tuple(indices)])
    store = _store(filters, iterators, value)
    return with_regions(Nest(iterators, _always(), store, None, (), (), str(filters.name), None))


def _old_iterators(
    found: Windows,
    batch: Sequence[tvm.ir.Expr],
    column: tvm.ir.Expr,
    taps: Sequence[tvm.ir.Expr],
    channel: tvm.ir.Expr,
) -> dict[tirx.Var, tvm.ir.Expr]:
    """The old iterators of the filters in terms of new ones."""
    values = {each.var: new for each, new in zip(found.batch, batch, strict=True)}
    below = found.filter_count
    for place, each in enumerate(found.columns):
        extent = int(each.dom.extent)
        below //= extent
        value = column if below == 1 else tirx.floordiv(column, below)
        values[each.var] = value if place == 0 else tirx.floormod(value, extent)
    parts = list(zip(found.channels, digits_of_channel(found, channel), strict=True))
    for direction, tap in zip(found.directions, taps, strict=True):
        if direction.tap is not None:
            parts.append((direction.tap, tap))
    for digit, value in parts:
        part = value * digit.weight if digit.weight > 1 else value
        known = values.get(digit.iterator)
        values[digit.iterator] = part if known is None else known + part
    return values


def _summed(found: Windows, image: tirx.Buffer, filters: tirx.Buffer, sums: tirx.Buffer) -> Nest:
    """S: the convolution."""
    spatial = _iterators(sums, "y x o")
    taps = tuple(
        tirx.IterVar(tvm.ir.Range(0, extent), tirx.Var(f"v{name}", "int32"), 2)
        for name, extent in zip(
            _names("r q c", len(found.directions) + 1),
            list(filters.shape)[len(found.batch) + 1 :],
            strict=True,
        )
    )
    outer = len(found.batch) + len(found.images)
    out, reduced = [each.var for each in spatial], [each.var for each in taps]
    positions = [
        direction.stride * place + direction.dilation * tap
        for direction, place, tap in zip(found.directions, out[outer:-1], reduced[:-1], strict=True)
    ]
    of_image = (*out[:outer], *positions, reduced[-1])
    of_filters = (*out[: len(found.batch)], out[-1], *reduced)
    new = {found.image.source: image[of_image], found.filters.source: filters[of_filters]}
    term = tir.map_loads(found.term, lambda load: new[load.source])
    iterators = (*spatial, *taps)
    store = _store(sums, spatial, sums[tuple(out)] + term)
    init = _store(sums, spatial, tirx.const(0, str(sums.dtype)))
    return with_regions(Nest(iterators, _always(), store, init, (), (), str(sums.name), None))


def _scattered(found: Windows, sums: tirx.Buffer) -> Nest:
    """C: the sums to where they belong."""
    nest = found.nest
    own = {
        each.var: tirx.IterVar(each.dom, tirx.Var(each.var.name, "int32"), 0)
        for each in nest.spatial
    }
    names = {old: new.var for old, new in own.items()}
    column: tvm.ir.Expr = tirx.IntImm("int32", 0)
    for each in found.columns:
        column = column * each.dom.extent + names[each.var]
    zero = tirx.IntImm("int32", 0)
    places = [names[each.var] for each in (*found.batch, *found.images)]
    places += [zero if d.output is None else names[d.output.var] for d in found.directions]
    places.append(tvm.sym.Analyzer().simplify(column))
    indices = [tir.substitute(index, names) for index in nest.store.indices]
    store = tirx.BufferStore(nest.store.buffer, sums[tuple(places)], indices)
    made = Nest(tuple(own.values()), _always(), store, None, (), (), nest.name, None)
    return with_regions(made)
