"""Sums of products over windows: convolutions, told by how far their iterators move in memory.

    C[n, y, x, o] += X[n, 2 * y + r - 1, 2 * x + q - 1, c] * W[o, r, q, c] if inside else 0

An output and a tap belong to one direction of the image where they reach the same elements: `y`
and `r` above. What is left to sum over is channels. Arrays may lie in any order, and have any shape
that says so; `windowed.py` brings them to one form.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import tvm
from tvm import tirx

from xpiler_tvm import tir

from .base import Declined
from .nests import Iterators, Nest, parts_of

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
        dimension of the image, the filters and the results; 0 where there are none.
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
    if tir.as_const(nest.guard) != 1 or not _is_zero(getattr(nest.init, "value", None)):
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


def _is_zero(value: tvm.ir.Expr | None) -> bool:
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
    told = _told(nest, rows, steps, conditions)
    digits = [Digit(each.var, int(each.dom.extent)) for each in nest.reduced]
    pairs, digits = _pairs(rows, digits, steps, told)
    if not pairs and not conditions and _without_gaps(rows, steps):
        return Declined("it has no windows")
    directions = [_direction(row, tap, steps) for row, tap in pairs]
    plain = [row for row in rows if not any(row.same_as(paired) for paired, _ in pairs)]
    directions.sort(key=lambda each: -each.unit)
    if not directions:
        near = sorted(plain, key=lambda row: -steps[row.var])[-2:]
        directions = [Direction(row, None, steps[row.var]) for row in near]
        plain = [row for row in plain if not any(row.same_as(each) for each in near)]
        directions = [NOWHERE] * (2 - len(near)) + directions
    elif len(directions) == 1:
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
    places = image_indices(found, {}) is not None
    if not places or any(placed_condition(found, each, {}) is None for each in conditions):
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
    return [0 if each is None else each.weight * weights.get(each.iterator, 0) for each in digits]


def farthest_first(steps: Sequence[int]) -> tuple[int, ...]:
    """Places in the order of their steps; what does not move stays in front."""
    return tuple(sorted(range(len(steps)), key=lambda place: (-steps[place] or -math.inf, place)))


Pair = tuple[tirx.IterVar, Digit]


def _pairs(
    rows: Sequence[tirx.IterVar],
    digits: Sequence[Digit],
    steps: Mapping[tirx.Var, int],
    told: Sequence[tuple[tirx.IterVar, tirx.Var]],
) -> tuple[list[Pair], list[Digit]]:
    """Outputs and taps that are directions, and the digits that are left: the channels.

    Borders have `told` some, overlapping windows tell others, or windows side by side; then the
    longest of the digits that are left is channels. Where there are hardly any the innermost taps
    are split: `2 * C * x + k`, `k` up to `3 * C`.
    """
    tap_of = {row.var: tap for row, tap in told}
    pairs = [
        (row, digit)
        for row in rows
        for digit in digits
        if row.var in tap_of and digit.iterator.same_as(tap_of[row.var])
    ]
    rest = [digit for digit in digits if not any(digit is tap for _, tap in pairs)]

    def take(overlap: int, spared: Sequence[Digit]) -> None:
        while True:
            fitting = [
                (*_likeness(steps[row.var], steps[digit.iterator]), i, j)
                for i, row in enumerate(rows)
                for j, digit in enumerate(rest)
                if digit not in spared
                and not any(row.same_as(paired) for paired, _ in pairs)
                and _overlaps(row, digit, steps, overlap)
            ]
            if not fitting:
                return
            *_, i, j = max(fitting)
            pairs.append((rows[i], rest.pop(j)))

    take(1, [])
    take(0, sorted(rest, key=lambda digit: digit.extent)[-1:])
    if pairs:
        row, digit = min(pairs, key=lambda pair: steps[pair[1].iterator])
        step, far = steps[digit.iterator], steps[row.var]
        inner = math.gcd(far // step, digit.extent) if far % step == 0 else 1
        if inner > math.prod(each.extent for each in rest):
            pairs = [pair for pair in pairs if pair[1] is not digit]
            rest.append(Digit(digit.iterator, inner))
            if inner < digit.extent:
                pairs.append((row, Digit(digit.iterator, digit.extent // inner, inner)))
    return pairs, rest


def _likeness(far: int, step: int) -> tuple[int, float]:
    """How much an output and a tap have to do with each other: they move by common units."""
    return math.gcd(far, step), -max(far, step) / min(far, step)


def _without_gaps(rows: Sequence[tirx.IterVar], steps: Mapping[tirx.Var, int]) -> bool:
    """Whether rows lie in memory as if they were one: a product of matrices."""
    ordered = sorted(rows, key=lambda row: steps[row.var])
    return all(
        steps[outer.var] == steps[inner.var] * int(inner.dom.extent)
        for inner, outer in itertools.pairwise(ordered)
    )


def _told(
    nest: Nest,
    rows: Sequence[tirx.IterVar],
    steps: Mapping[tirx.Var, int],
    conditions: Sequence[tvm.ir.Expr],
) -> list[tuple[tirx.IterVar, tirx.Var]]:
    """Outputs and taps that a border is said of together: in the proportion of their steps."""
    told: list[tuple[tirx.IterVar, tirx.Var]] = []
    for condition in conditions:
        form = _compared(nest, condition)
        used = [] if form is None else [var for var, weight in form[0].items() if weight]
        row = next((each for each in rows if each.var in used), None)
        tap = next((each.var for each in nest.reduced if each.var in used), None)
        if row is None or tap is None or len(used) != 2 or form is None:
            continue
        known = any(row.same_as(one) or tap.same_as(other) for one, other in told)
        if not known and form[0][row.var] * steps[tap] == form[0][tap] * steps[row.var]:
            told.append((row, tap))
    return told


def _overlaps(row: tirx.IterVar, digit: Digit, steps: Mapping[tirx.Var, int], overlap: int) -> bool:
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
    for digit, value in zip(
        found.channels, digits_of_channel(found, place("channel")), strict=True
    ):
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


def digits_of_channel(found: Windows, channel: tvm.ir.Expr) -> list[tvm.ir.Expr]:
    """The digits of a channel's number, the first one first."""
    values: list[tvm.ir.Expr] = []
    below = found.depth
    for place, digit in enumerate(found.channels):
        below //= digit.extent
        value = channel if below == 1 else tirx.floordiv(channel, below)
        values.append(value if place == 0 else tirx.floormod(value, digit.extent))
    return values


def image_indices(found: Windows, places: Places) -> list[tvm.ir.Expr] | None:
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


def placed_condition(found: Windows, condition: tvm.ir.Expr, places: Places) -> tvm.ir.Expr | None:
    """A comparison in positions and channels; `None` where it is of something else."""
    form = _compared(found.nest, condition)
    if form is None:
        return None
    extents = {each.var: int(each.dom.extent) for each in found.nest.iterators}
    for said in (form, without_small_parts(form, extents)):
        value = _placed(found, said, places)
        if value is not None:
            return value >= 0
    return None


def _compared(nest: Nest, condition: tvm.ir.Expr) -> Form | None:
    """What a comparison says is not negative."""
    orders = {tirx.LT: (1, -1), tirx.LE: (1, 0), tirx.GT: (-1, -1), tirx.GE: (-1, 0)}
    if type(condition) not in orders:
        return None
    sign, strict = orders[type(condition)]
    return _linear(sign * (condition.b - condition.a) + strict, nest.iterators)


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
