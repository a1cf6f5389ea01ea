"""Sums of products over windows: convolutions, told by how far their iterators move in memory.

    C[n, y, x, o] += X[n, 2 * y + r - 1, 2 * x + q - 1, c] * W[o, r, q, c] if inside else 0

becomes a program in which nothing is conditional and no size is odd,

    I[n, h, w, c] = X[n, h - 1, w - 1, c] if inside else 0
    F[o, r, q, c] = W[o, r, q, c] if o and c exist else 0
    S[n, y, x, o] += I[n, 2 * y + r, 2 * x + q, c] * F[o, r, q, c]
    C[n, y, x, o] = S[n, y, x, o]

An output and a tap belong to one direction of the image where they reach the same elements: `y` and
`r` above. Arrays may lie in any order, and have any shape that says so. As in every library, a
border is multiplied with the filter: zero by an infinity is no zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import tvm
from tvm import tirx

from xpiler_tvm import tir

from .base import Declined
from .nests import Iterators, Nest, parts_of, program_of, with_regions

Form = tuple[dict[tirx.Var, int], int]
"""A linear form: coefficients, and a constant."""


@dataclass(frozen=True, eq=False)
class Digit:
    """A part of a reduction iterator, which is the sum of its digits times their weights."""

    iterator: tirx.Var
    extent: int
    weight: int = 1


@dataclass(frozen=True, eq=False)
class Direction:
    """`position = stride * output + dilation * tap` along one direction of an image.

    Neighbours are `unit` elements apart in memory. There may be no output or no tap: one of it.
    """

    output: tirx.IterVar | None
    tap: Digit | None
    unit: int
    stride: int = 1
    dilation: int = 1

    @property
    def outputs(self) -> int:
        return 1 if self.output is None else int(self.output.dom.extent)

    @property
    def taps(self) -> int:
        return 1 if self.tap is None else self.tap.extent

    def span(self, outputs: int, taps: int | None = None) -> int:
        """The positions that so many outputs reach, and those between."""
        taps = self.taps if taps is None else taps
        return (outputs - 1) * self.stride + (taps - 1) * self.dilation + 1


NOWHERE = Direction(None, None, 0)
"""The height of a line."""


@dataclass(frozen=True, eq=False)
class Windows:
    """A nest that is a convolution.

    Attributes
    ----------
    nest, term : the nest, and the product in it.
    image, filters : the two elements that are multiplied.
    conditions : where they are; elsewhere there is nothing to add.
    batch : iterators of everything, as of groups; `columns`: of filters and results.
    images : iterators of the image and the results that are no direction.
    beyond : directions above the two of a plane, `height` and `width`.
    channels : what else is summed over, in the order in which it lies in the image.
    image_steps, filter_steps, result_steps : how far apart neighbours lie in memory, along each
        dimension of the arrays I, F and S above; 0 where there are none.
    """

    nest: Nest
    term: tvm.ir.Expr
    image: tvm.ir.TensorLoad
    filters: tvm.ir.TensorLoad
    conditions: tuple[tvm.ir.Expr, ...]
    batch: Iterators
    images: Iterators
    columns: Iterators
    beyond: tuple[Direction, ...]
    height: Direction
    width: Direction
    channels: tuple[Digit, ...]
    image_steps: tuple[int, ...] = ()
    filter_steps: tuple[int, ...] = ()
    result_steps: tuple[int, ...] = ()

    @property
    def types(self) -> tuple[str, str, str]:
        """Of the sums, the image and the filters."""
        store = self.nest.store.buffer
        return str(store.dtype), str(self.image.source.dtype), str(self.filters.source.dtype)

    @property
    def depth(self) -> int:
        """Elements of a pixel."""
        return math.prod(digit.extent for digit in self.channels)

    @property
    def filter_count(self) -> int:
        return size_of(self.columns)

    @property
    def image_count(self) -> int:
        """Planes that are computed, of one group."""
        return size_of(self.images) * math.prod(each.outputs for each in self.beyond)

    @property
    def directions(self) -> tuple[Direction, ...]:
        return (*self.beyond, self.height, self.width)


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


def size_of(iterators: Sequence[tirx.IterVar]) -> int:
    return math.prod(int(each.dom.extent) for each in iterators)


# --- finding them ---------------------------------------------------------------------------------


def find_windows(mod: tvm.IRModule) -> Windows | Declined:
    """The one convolution of a program whose other stages are all elementwise."""
    nests = [part for part in parts_of(mod) if isinstance(part, Nest)]
    summing = [nest for nest in nests if nest.init is not None]
    if len(nests) != len(parts_of(mod)) or len(summing) != 1:
        return Declined(f"there are {len(summing)} sums over plain loops, not one")
    (nest,) = summing
    if tir.as_const(nest.guard) != 1 or not _is_zero(nest.init.value):
        return Declined(f"{nest.name} does not always start from zero")
    conditions: list[tvm.ir.Expr] = []
    term = _added(nest, conditions)
    loads = [] if term is None else tir.loads(term)
    if term is None or len(loads) != 2 or loads[0].source.same_as(loads[1].source):
        return Declined(f"{nest.name} is no sum of products of two elements")
    if any(tir.has_load(index) for load in loads for index in load.indices):
        return Declined(f"{nest.name} reads where data say")
    reasons: list[Declined] = []
    for image, filters in (loads, reversed(loads)):
        found = _directed(nest, term, image, filters, conditions)
        if isinstance(found, Windows):
            return found
        reasons.append(found)
    return reasons[0]


def _is_zero(value: tvm.ir.Expr) -> bool:
    return isinstance(value, (tirx.IntImm, tirx.FloatImm)) and float(value.value) == 0.0


def _added(nest: Nest, conditions: list[tvm.ir.Expr]) -> tvm.ir.Expr | None:
    """The product that is added to the result; the conditions under which it is none are noted."""
    value = nest.store.value
    if not isinstance(value, tirx.Add):
        return None
    for kept, added in ((value.a, value.b), (value.b, value.a)):
        if isinstance(kept, tvm.ir.TensorLoad) and nest.is_own(kept):
            term = _unconditional(added, conditions)
            return term if isinstance(term, tirx.Mul) else None
    return None


def _unconditional(value: tvm.ir.Expr, conditions: list[tvm.ir.Expr]) -> tvm.ir.Expr:
    """What a product is where it is not zero anyway."""
    if isinstance(value, tirx.Select):
        parts = [value.condition, value.true_value, value.false_value]
    elif isinstance(value, tvm.ir.Call) and value.op.name.endswith(".if_then_else"):
        parts = list(value.args)
    elif isinstance(value, tirx.Cast):
        return tirx.Cast(str(value.ty.dtype), _unconditional(value.value, conditions))
    elif isinstance(value, tirx.Mul):
        return tirx.Mul(*(_unconditional(each, conditions) for each in (value.a, value.b)))
    else:
        return value
    if not _is_zero(parts[2]):
        return value
    conditions += tir.conjuncts(parts[0])
    return _unconditional(parts[1], conditions)


def _directed(
    nest: Nest,
    term: tvm.ir.Expr,
    image: tvm.ir.TensorLoad,
    filters: tvm.ir.TensorLoad,
    conditions: Sequence[tvm.ir.Expr],
) -> Windows | Declined:
    def used(load: tvm.ir.TensorLoad, iterator: tirx.IterVar) -> bool:
        return any(tir.uses(index, [iterator.var]) for index in load.indices)

    of_image = {each.var for each in nest.iterators if used(image, each)}
    of_filters = {each.var for each in nest.iterators if used(filters, each)}
    if any(not {each.var} & (of_image | of_filters) for each in nest.iterators):
        return Declined(f"{nest.name} repeats the same sum")
    if any(not {each.var} <= (of_image & of_filters) for each in nest.reduced):
        return Declined(f"{nest.name} sums over one of its operands alone")
    rows = [each for each in nest.spatial if each.var not in of_filters]
    columns = tuple(each for each in nest.spatial if each.var not in of_image)
    batch = tuple(each for each in nest.spatial if each.var in (of_image & of_filters))
    form = _linear(_flat(image), nest.iterators)
    if form is None or not (columns or batch):
        return Declined("an index is not linear" if columns else "there is one filter only")
    steps, _ = form
    pairs, digits = _pairs(rows, [Digit(i.var, int(i.dom.extent)) for i in nest.reduced], steps)
    if not pairs:
        return Declined("no windows overlap")
    directions = [_direction(row, tap, steps) for row, tap in pairs]
    plain = [row for row in rows if not any(row.same_as(paired) for paired, _ in pairs)]
    directions.sort(key=lambda each: -each.unit)
    if len(directions) == 1:
        (only,) = directions
        within = [row for row in plain if 0 < steps[row.var] < only.unit]
        around = [row for row in plain if steps[row.var] > only.unit]
        if within:
            other = max(within, key=lambda row: int(row.dom.extent))
            directions.append(Direction(other, None, steps[other.var]))
        elif around:
            other = min(around, key=lambda row: steps[row.var])
            directions.insert(0, Direction(other, None, steps[other.var]))
        else:
            directions.insert(0, NOWHERE)
        plain = [row for row in plain if not any(row.same_as(d.output) for d in directions)]
    *beyond, height, width = directions
    digits.sort(key=lambda digit: -steps[digit.iterator] * digit.weight)
    found = Windows(
        nest,
        term,
        image,
        filters,
        tuple(conditions),
        batch,
        tuple(plain),
        columns,
        tuple(beyond),
        height,
        width,
        tuple(digits),
    )
    places = _image_indices(found, {}) is not None
    if not places or any(_condition(found, each, {}) is None for each in conditions):
        return Declined("windows depend on more than their place in the image")
    return _with_steps(found)


def _with_steps(found: Windows) -> Windows:
    def single(iterators: Sequence[tirx.IterVar | None]) -> list[Digit | None]:
        return [None if each is None else Digit(each.var, 1) for each in iterators]

    channel = [found.channels[-1] if found.channels else None]
    column = single(found.columns[-1:] or [None])
    batch, taps = single(found.batch), [each.tap for each in found.directions]
    planes = [*batch, *single(found.images)]
    outputs = single([each.output for each in found.directions])
    image = _steps(found, found.image, [*planes, *outputs, *channel])
    first = len(planes)
    units = [each.unit for each in found.directions]
    return replace(
        found,
        image_steps=(*image[:first], *units, image[-1]),
        filter_steps=tuple(_steps(found, found.filters, [*batch, *column, *taps, *channel])),
        result_steps=tuple(_steps(found, found.nest.store, [*planes, *outputs, *column])),
    )


def _steps(
    found: Windows, access: tvm.ir.TensorLoad | tirx.BufferStore, digits: Sequence[Digit | None]
) -> list[int]:
    """How far each digit moves in memory."""
    form = _linear(_flat(access), found.nest.iterators)
    weights = {} if form is None else form[0]
    return [
        0 if each is None else each.weight * weights.get(each.iterator, 0) for each in digits
    ]


def farthest_first(steps: Sequence[int]) -> tuple[int, ...]:
    """Places in the order of their steps; what does not move stays in front."""
    return tuple(sorted(range(len(steps)), key=lambda place: (-steps[place] or -math.inf, place)))


Pair = tuple[tirx.IterVar, Digit]


def _pairs(
    rows: Sequence[tirx.IterVar], digits: list[Digit], steps: Mapping[tirx.Var, int]
) -> tuple[list[Pair], list[Digit]]:
    """Outputs and taps that are directions, and the digits that are left: the channels.

    Windows that overlap tell, or lie side by side; then the longest of the digits that are left is
    channels. Without any channels the innermost taps are split: `2 * C * x + k`, `k` to `3 * C`.
    """
    pairs: list[Pair] = []
    rest = list(digits)

    def take(overlap: int, spared: Sequence[Digit]) -> None:
        while True:
            fitting = [
                (math.gcd(steps[row.var], steps[digit.iterator]), i, j)
                for i, row in enumerate(rows)
                for j, digit in enumerate(rest)
                if digit not in spared
                and not any(row.same_as(paired) for paired, _ in pairs)
                and _overlaps(row, digit, steps, overlap)
            ]
            if not fitting:
                return
            _, i, j = max(fitting)
            pairs.append((rows[i], rest.pop(j)))

    take(1, [])
    take(0, sorted(rest, key=lambda digit: digit.extent)[-1:])
    if pairs and not rest:
        row, digit = min(pairs, key=lambda pair: steps[pair[1].iterator])
        step, far = steps[digit.iterator], steps[row.var]
        inner = math.gcd(far // step, digit.extent) if far % step == 0 else 1
        if inner > 1:
            pairs = [pair for pair in pairs if pair[1] is not digit]
            rest = [Digit(digit.iterator, inner)]
            if inner < digit.extent:
                pairs.append((row, Digit(digit.iterator, digit.extent // inner, inner)))
    return pairs, rest


def _overlaps(
    row: tirx.IterVar, digit: Digit, steps: Mapping[tirx.Var, int], overlap: int
) -> bool:
    """Whether neighbouring windows share at least `overlap` elements or lie side by side."""
    far, step = steps[row.var], steps[digit.iterator]
    if far <= 0 or step <= 0:
        return False
    if step <= far:
        return step * (digit.extent - overlap) >= far
    return far * (int(row.dom.extent) - 1) >= step


def _direction(row: tirx.IterVar, tap: Digit, steps: Mapping[tirx.Var, int]) -> Direction:
    far, step = steps[row.var], steps[tap.iterator] * tap.weight
    unit = math.gcd(far, step)
    return Direction(row, tap, unit, far // unit, step // unit)


# --- linear forms ---------------------------------------------------------------------------------


def _flat(access: tvm.ir.TensorLoad | tirx.BufferStore) -> tvm.ir.Expr:
    """The index of an element in memory."""
    array = access.buffer if isinstance(access, tirx.BufferStore) else access.source
    index: tvm.ir.Expr = tirx.IntImm("int32", 0)
    for extent, place in zip(array.shape, access.indices, strict=True):
        index = index * extent + place
    return index


def _linear(value: tvm.ir.Expr, iterators: Iterators) -> Form | None:
    names = [each.var for each in iterators]
    found = tvm.sym.detect_linear_equation(tvm.sym.Analyzer().simplify(value), names)
    weights = [tir.as_const(part) for part in found]
    if not weights or any(weight is None for weight in weights):
        return None
    known = [int(weight or 0) for weight in weights]
    return dict(zip(names, known[:-1], strict=True)), known[-1]


Places = Mapping[object, tvm.ir.Expr]
"""New iterators by what they stand for: an iterator's variable, a direction, `"channel"`."""


def _placed(found: Windows, form: Form, places: Places) -> tvm.ir.Expr | None:
    """A linear form of the old iterators in positions and channels; `None` where it is none."""
    weights, constant = dict(form[0]), form[1]
    total: tvm.ir.Expr = tirx.IntImm("int32", constant)

    def place(key: object) -> tvm.ir.Expr:
        return places.get(key, tirx.IntImm("int32", 0))

    for each in (*found.batch, *found.images):
        total = total + weights.pop(each.var) * place(each.var)
    for digit, value in zip(found.channels, _digits(found, place("channel")), strict=True):
        total = total + weights[digit.iterator] * digit.weight * value
    for direction in found.directions:
        sides = []
        if direction.output is not None:
            sides.append((weights.pop(direction.output.var), direction.stride))
        if direction.tap is not None:
            weight = weights[direction.tap.iterator] * direction.tap.weight
            sides.append((weight, direction.dilation))
        factors = {divmod(weight, step) for weight, step in sides}
        if len(factors) > 1 or any(rest for _, rest in factors):
            return None
        for factor, _ in factors:
            total = total + factor * place(direction)
    if any(weights[each.var] for each in found.columns):
        return None
    return tvm.sym.Analyzer().simplify(total)


def _digits(found: Windows, channel: tvm.ir.Expr) -> list[tvm.ir.Expr]:
    """The digits of a channel's number, the first one first."""
    values: list[tvm.ir.Expr] = []
    below = found.depth
    for place, digit in enumerate(found.channels):
        below //= digit.extent
        value = channel if below == 1 else tirx.floordiv(channel, below)
        values.append(value if place == 0 else tirx.floormod(value, digit.extent))
    return values


def _image_indices(found: Windows, places: Places) -> list[tvm.ir.Expr] | None:
    """Where an element of the rewritten image comes from."""
    load, iterators = found.image, found.nest.iterators
    indices: list[tvm.ir.Expr | None] = []
    for index in load.indices:
        form = _linear(index, iterators)
        indices.append(None if form is None else _placed(found, form, places))
    if all(index is not None for index in indices):
        return [index for index in indices if index is not None]
    # Its dimensions may be digits of what the directions are.
    form = _linear(_flat(load), iterators)
    flat = None if form is None else _placed(found, form, places)
    if flat is None:
        return None
    found_indices: list[tvm.ir.Expr] = []
    for place, extent in reversed(list(enumerate(load.source.shape))):
        found_indices.insert(0, tirx.floormod(flat, extent) if place else flat)
        flat = tirx.floordiv(flat, extent)
    return found_indices


def _condition(found: Windows, condition: tvm.ir.Expr, places: Places) -> tvm.ir.Expr | None:
    """A comparison in positions and channels; `None` where it is of something else."""
    orders = {tirx.LT: (1, -1), tirx.LE: (1, 0), tirx.GT: (-1, -1), tirx.GE: (-1, 0)}
    if type(condition) not in orders:
        return None
    sign, strict = orders[type(condition)]
    form = _linear(sign * (condition.b - condition.a) + strict, found.nest.iterators)
    if form is None:
        return None
    extents = {each.var: int(each.dom.extent) for each in found.nest.iterators}
    value = _placed(found, without_small_parts(form, extents), places)
    return None if value is None else value >= 0


def without_small_parts(form: Form, extents: Mapping[tirx.Var, int]) -> Form:
    """A form that is not negative where `form` is not, of as few variables as possible.

    70 * i + j >= 70, j < 70   ->   i - 1 >= 0
    """
    weights, constant = form
    for large in sorted({abs(weight) for weight in weights.values() if weight}, reverse=True):
        small = {var: weight for var, weight in weights.items() if weight % large}
        ends = [(weight * (extents[var] - 1)) for var, weight in small.items()]
        low, high = sum(min(0, end) for end in ends), sum(max(0, end) for end in ends)
        if (constant + low) // large == (constant + high) // large:
            kept = {var: 0 if var in small else w // large for var, w in weights.items()}
            return kept, (constant + low) // large
    return form


# --- rewriting them -------------------------------------------------------------------------------


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
        placed = _condition(found, condition, places)
        assert placed is not None  # `find_windows` has asked the same
        conditions.append(placed)
    analyzer = tvm.sym.Analyzer()
    with analyzer.constraint_scope(tirx.all(_always(), *conditions)):
        conditions = [*(each for each in limits if not analyzer.can_prove(each)), *conditions]
    indices = _image_indices(found, places)
    assert indices is not None
    value = _chosen(conditions, found.image.source[tuple(indices)])
    store = _store(image, iterators, value)
    return with_regions(Nest(iterators, _always(), store, None, (), (), str(image.name), None))


def _padded_filters(found: Windows, filters: tirx.Buffer) -> Nest:
    """F: the filters with as many more, and as many channels more, as the sizes ask for."""
    iterators = _iterators(filters, "o r q c")
    names = [each.var for each in iterators]
    groups = len(found.batch)
    values = _old_iterators(
        found, names[:groups], names[groups], names[groups + 1 : -1], names[-1]
    )
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
    parts = list(zip(found.channels, _digits(found, channel), strict=True))
    parts += [(d.tap, tap) for d, tap in zip(found.directions, taps, strict=True) if d.tap is not None]
    for digit, value in parts:
        value = value * digit.weight if digit.weight > 1 else value
        known = values.get(digit.iterator)
        values[digit.iterator] = value if known is None else known + value
    return values


def _summed(
    found: Windows, image: tirx.Buffer, filters: tirx.Buffer, sums: tirx.Buffer
) -> Nest:
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
    new = {
        found.image.source: image[(*out[:outer], *positions, reduced[-1])],
        found.filters.source: filters[(*out[: len(found.batch)], out[-1], *reduced)],
    }
    term = tir.map_loads(found.term, lambda load: new[load.source])
    iterators = (*spatial, *taps)
    store = _store(sums, spatial, sums[tuple(out)] + term)
    init = _store(sums, spatial, found.nest.init.value)
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
