"""Running maxima and minima, and what other recurrences make of them.

m = max(m, x[t]):   m[t-1] and m[t] in the steps of another recurrence are its value before
                    and after the step

if x[t] > m: k = t  ->  the first t with x[t] = max(x), if that is greater than the first m
if x[t] >= m: k = t ->  the last one
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from .accumulation import better, choice_sides, conjuncts, decided, opposite, split_update
from .tensors import Axis, Tensor, is_choice, is_identity, knowing, parts, simplified

DEEPEST = 8  # tensors between a step and the running maximum that it reads
LARGEST = 400  # loads of a step with these written in

_EXACT = ("fabs", "floor", "ceil", "round", "trunc", "nearbyint", "if_then_else")


@dataclass(frozen=True, eq=False)
class Running:
    """A running maximum or minimum (`op`) of `term` from `init`, over the axes of a reader.

    `before` and `after` stand for its values around a step, in expressions by `abstract`; `last`
    is what is left in the end. `known` are axes and guard of the reader.
    """

    tensor: Tensor
    op: str
    place: tuple[Expr, ...]
    axes: tuple[Axis, ...]
    known: tuple[tuple[Axis, ...], tuple[Expr, ...]]
    producers: Mapping[Buffer, Tensor]
    before: Var
    after: Var

    @property
    def _to_reader(self) -> dict[Var, Expr]:
        """The reader's expressions for the axes of the running tensor."""
        recurrence = self.tensor.recurrence
        assert recurrence is not None
        steps = {var: mine for (var, _), (mine, _) in zip(recurrence.axes, self.axes, strict=True)}
        rest = iter(self.place)
        return {
            var: steps[var] if var in steps else next(rest) for var, _ in self.tensor.axes
        } | steps

    def at(self, step: Mapping[Var, Expr]) -> Expr:
        """The running tensor after the step at which the reader's axes have these values."""
        way = self._to_reader
        return self.tensor.buffer[
            tuple(tir.substitute(way[var], step) for var, _ in self.tensor.axes)
        ]

    @property
    def last(self) -> Expr:
        return self.at({var: tir.const(extent - 1, "int32") for var, extent in self.axes})

    @property
    def init(self) -> Expr:
        state = self._state()
        assert state[1] is not None
        return tir.substitute(state[1], self._to_reader)

    @property
    def beyond(self) -> Expr:
        """The test that the extremum is not its first value."""
        return self.last > self.init if self.op == "max" else self.last < self.init

    @property
    def term(self) -> Expr:
        """What the steps compare with, where the `guards` hold."""
        return self._guarded_term()[1]

    @property
    def guards(self) -> tuple[Expr, ...]:
        """Where steps compare at all: each under those before it."""
        return self._guarded_term()[0]

    def _guarded_term(self) -> tuple[tuple[Expr, ...], Expr]:
        value, _, own = self._state()
        found = split_update(value, own)
        assert found is not None
        return unguarded(self.op, self._simple(tir.substitute(found[1], self._to_reader)))

    def _state(self) -> tuple[Expr, Expr | None, Expr]:
        assert self.tensor.recurrence is not None
        (state,) = self.tensor.recurrence.states
        return state.value, state.init, state.buffer[tir.const(0, "int32")]

    def _simple(self, expr: Expr) -> Expr:
        axes, guard = self.known
        with knowing(axes, guard) as analyzer:
            return simplified(analyzer, expr)

    def abstract(self, expr: Expr) -> Expr | None:
        """`expr` with `before` and `after` in place of reads of the running tensor, if it reads
        no other step of it. Where `guards` do not hold, `after` need not be what it stands for.
        """
        expr = decided(self._written_in(expr))
        expr = _map_choices(expr, lambda node: self.before if self._is_before(node) else node)
        current = self.at({})

        def change(load: Expr) -> Expr:
            return self.after if tir.same(load, current) else load

        expr = tir.map_loads(expr, change)
        if any(load.source.same_as(self.tensor.buffer) for load in tir.loads(expr)):
            return None
        wanted = (self.op, self.term)

        def step(node: Expr) -> Expr:
            found = split_update(node, self.before)
            alike = found is not None and found[0] == wanted[0] and tir.same(found[1], wanted[1])
            return self.after if alike else node

        for kind in (tirx.Max, tirx.Min, tirx.Select):
            expr = tvm_ffi.structural_map(expr, (kind, step), order="post")
        return decided(_map_choices(expr, step))

    def _written_in(self, expr: Expr) -> Expr:
        """With plain tensors that depend on the running one in place of their reads."""
        for _ in range(DEEPEST):
            loads = [load for load in tir.loads(expr) if self._hides(load.source)]
            if not loads or len(tir.loads(expr)) > LARGEST:
                break
            expr = tir.map_loads(expr, self._value_of)
            expr = self._simple(expr)
        return expr

    def _value_of(self, load: Expr) -> Expr:
        if not self._hides(load.source):
            return load
        tensor = self.producers[load.source]
        point = {var: index for (var, _), index in zip(tensor.axes, load.indices, strict=False)}
        return tir.substitute(tensor.value, point)

    def _hides(self, buffer: Buffer) -> bool:
        tensor = self.producers.get(buffer)
        return tensor is not None and tensor.plain and self.is_in(tensor)

    def is_in(self, tensor: Tensor) -> bool:
        """Whether a tensor depends on the running one."""
        return self.tensor in _sources(tensor, self.producers)

    def _is_before(self, expr: Expr) -> bool:
        """Whether a choice is the running tensor before the step: its first value before the first
        step, and the step before in any other."""
        if not any(load.source.same_as(self.tensor.buffer) for load in tir.loads(expr)):
            return False
        zero = tir.const(0, "int32")
        start = {var: zero for var, _ in self.axes}
        if not self._same(expr, self.init, start):
            return False
        for number, (var, extent) in enumerate(self.axes):
            inner = self.axes[number + 1 :]
            before = {var: var - 1} | {v: tir.const(e - 1, "int32") for v, e in inner}
            here = {v: zero for v, _ in inner}
            if extent > 1 and not self._same(expr, self.at(before), here, var >= 1):
                return False
        return True

    def _same(self, left: Expr, right: Expr, values: Mapping[Var, Expr], *tests: Expr) -> bool:
        axes, guard = self.known
        left = tir.substitute(left, values)
        with knowing(axes, (*guard, *tests)) as analyzer:
            return tir.same(simplified(analyzer, left), simplified(analyzer, right))


def unguarded(op: str, term: Expr) -> tuple[tuple[Expr, ...], Expr]:
    """A term of an extremum without the tests, each under those before it, that keep it out."""
    guards: list[Expr] = []
    while (sides := choice_sides(term)) is not None and is_identity(op, sides[2]):
        guards += conjuncts(sides[0])
        term = sides[1]
    return tuple(guards), term


def running_in(tensor: Tensor, producers: Mapping[Buffer, Tensor]) -> list[Running]:
    """The running maxima and minima that the steps of a recurrence depend on."""
    assert tensor.recurrence is not None
    axes = tensor.recurrence.axes
    found: list[Running] = []
    for other in _sources(tensor, producers):
        recurrence = other.recurrence
        if recurrence is None or other is tensor or len(recurrence.states) != 1:
            continue
        (state,) = recurrence.states
        own = state.buffer[tir.const(0, "int32")]
        if (
            recurrence.locals
            or state.axes
            or len(other.ordered_positions) != len(recurrence.axes)
            or [extent for _, extent in recurrence.axes] != [extent for _, extent in axes]
            or not tir.same(other.value, own)
        ):
            continue
        update = split_update(state.value, own)
        place = _place_of(other, tensor, producers)
        if update is None or update[0] not in ("max", "min") or place is None:
            continue
        known = (tensor.all_axes, tensor.guard)
        before, after = (tirx.Var(name, state.buffer.dtype) for name in ("before", "after"))
        found.append(Running(other, update[0], place, axes, known, producers, before, after))
    return found


def _place_of(
    running: Tensor, reader: Tensor, producers: Mapping[Buffer, Tensor]
) -> tuple[Expr, ...] | None:
    """Where, beside its steps, the running tensor is read: the same point by all reads."""
    ordered = running.ordered_positions
    places: list[tuple[Expr, ...]] = []
    pending: list[tuple[Tensor, dict[Var, Expr]]] = [(reader, {})]
    for _ in range(LARGEST):
        if not pending:
            break
        tensor, way = pending.pop()
        for load in (load for expr in parts(tensor) for load in tir.loads(expr)):
            producer = producers.get(load.source)
            if producer is None or running not in _sources(producer, producers, itself=True):
                continue
            indices = [tir.substitute(index, way) for index in load.indices]
            if producer is running:
                places.append(tuple(i for k, i in enumerate(indices) if k not in ordered))
            elif producer.recurrence is None:
                inner = {v: i for (v, _), i in zip(producer.axes, indices, strict=False)}
                pending.append((producer, inner))
    if pending or not places:
        return None
    with knowing(reader.all_axes, reader.guard) as analyzer:
        simple = [tuple(map(analyzer.simplify, place)) for place in places]
    first = simple[0]
    alike = all(all(map(tir.same, place, first)) for place in simple)
    return first if alike and not any(tir.uses(i, _steps(reader)) for i in first) else None


def _steps(tensor: Tensor) -> list[Var]:
    assert tensor.recurrence is not None
    return [var for var, _ in tensor.recurrence.axes]


def _sources(
    tensor: Tensor, producers: Mapping[Buffer, Tensor], itself: bool = False
) -> list[Tensor]:
    """The tensors that a tensor depends on, through others that are no recurrences."""
    found: list[Tensor] = [tensor] if itself else []
    pending = [] if itself and tensor.recurrence else [tensor]
    seen: set[Buffer] = set()
    while pending:
        for expr in parts(pending.pop()):
            for load in tir.loads(expr):
                producer = producers.get(load.source)
                if producer is None or load.source in seen:
                    continue
                seen.add(load.source)
                found.append(producer)
                if producer.recurrence is None:
                    pending.append(producer)
    return found


@dataclass(frozen=True, eq=False)
class Choice:
    """Which steps a state is taken from: the first, or the `last`, of those that satisfy `tests`,
    where `beyond`, if it is a test, holds as well."""

    last: bool
    tests: tuple[Expr, ...]
    beyond: Expr | None


def first_or_last(test: Expr, running: Running) -> Choice | None:
    """Of the steps at which `test` holds, the last as the first or last with the extremum. `test`
    is abstract over `running`.

    A step has a greater element than all before it for the last time at the first of the greatest
    elements, and one at least as great at the last of them.
    """
    tests = conjuncts(test)
    term = running.term
    guards = [part for guard in running.guards for part in conjuncts(guard)]
    if not is_exact(term, running.producers):
        return None
    kinds = [part for part in tests if better(part, term, running.before) == running.op]
    others = [part for part in tests if part not in kinds]
    if len(kinds) != 1 or len(others) != len(guards) or not all(map(tir.same, others, guards)):
        return None
    kind = opposite(kinds[0].a) if isinstance(kinds[0], tirx.Not) else kinds[0]
    strict = isinstance(kind, (tirx.GT, tirx.LT))
    ends = tirx.EQ(term, running.last)
    return Choice(not strict, (*guards, ends), running.beyond if strict else None)


def is_exact(expr: Expr, producers: Mapping[Buffer, Tensor]) -> bool:
    """Whether an expression has the same value wherever it is computed, also where the plain
    tensors that it reads are computed again: no product that a sum may take in unrounded, no
    function that comes in several versions."""
    return _operations(expr, producers, {}) <= 1


def _operations(
    expr: Expr, producers: Mapping[Buffer, Tensor], known: dict[Buffer, float]
) -> float:
    """How many operations on floating-point numbers stand on top of each other, at most."""
    bare = _without_indices(expr)
    found: list[Expr] = []
    for kind in (tirx.Add, tirx.Sub, tirx.Mul, tirx.Div, tvm.ir.Call):
        tvm_ffi.structural_walk(bare, [(kind, found.append)], order="pre")
    calls = [node for node in found if isinstance(node, tvm.ir.Call)]
    if any(getattr(call.op, "name", "").split(".")[-1] not in _EXACT for call in calls):
        return math.inf
    below = 0.0
    for load in tir.loads(expr):
        if load.source not in known and _is_plain(load, producers):
            value = producers[load.source].value
            known[load.source] = _operations(value, producers, known)
        below = max(below, known.get(load.source, 0))
    own = [node for node in found if not isinstance(node, tvm.ir.Call) and not tir.is_int(node)]
    return below + len(own)


def _is_plain(load: Expr, producers: Mapping[Buffer, Tensor]) -> bool:
    producer = producers.get(load.source)
    return producer is not None and producer.plain


def _without_indices(expr: Expr) -> Expr:
    return tir.map_loads(expr, lambda load: tirx.Var("element", tir.dtype_of(load)))


def _map_choices(expr: Expr, change: object) -> Expr:
    def at(node: Expr) -> Expr:
        return change(node) if is_choice(node) else node  # type: ignore[operator]

    return tvm_ffi.structural_map(expr, (tvm.ir.Call, at), order="post")


def position_of(axes: tuple[Axis, ...]) -> Expr:
    """The number of a step."""
    place: Expr = tir.const(0, "int32")
    for var, extent in axes:
        place = place * extent + var
    return place


def steps_at(axes: tuple[Axis, ...], place: Expr) -> dict[Var, Expr]:
    """The step of a number."""
    values: dict[Var, Expr] = {}
    for var, extent in reversed(axes):
        if len(values) == len(axes) - 1:
            values[var] = place
        else:
            values[var] = tirx.floormod(place, extent)
            place = tirx.floordiv(place, extent)
    return values
