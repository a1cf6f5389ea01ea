"""Flat program -> tensors: which store does each read see?

For a read, the stores to its array are tried from the nearest before it backwards. Loops that both
stand in are in the same iteration; a store's other loops have run to their end, and the iteration
that wrote the element is found by inverting the store's index (`invert.py`). Where the read is
covered only under a condition the condition stays in the expression and the search goes on. A
store that comes later in a sequential loop could reach the read through an earlier iteration; the
program is refused unless that is impossible, or is a reduction.

Parallel loops carry nothing between their iterations: a program in which they did would race.

Refusals are `Unraisable`, with the reason and the place; the caller falls back to an opaque block.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import Alloc, Body, Branch, Loop, Program, Statement, Store, While
from .invert import fixed_digits, solve, upper_bound
from .refusal import TooLarge, Unraisable
from .tensors import (
    IDENTITY,
    Axis,
    Graph,
    Output,
    Reduction,
    Tensor,
    combine,
    is_choice,
    knowing,
    lift_choices,
    negated,
    outermost_choices,
    replace_choices,
    simplified,
)

MOST_STEPS = 1500  # questions of the kind: did this store write that element?


@dataclass(frozen=True, eq=False)
class _Condition:
    """A test on data, and where it stands: it sees what was stored before it, not after."""

    test: Expr
    loops: tuple[Loop, ...]
    guard: tuple[Expr, ...]
    position: int


@dataclass(eq=False)
class _Write:
    """A store with its surroundings, in program order. `private` loops enclose the array's life."""

    store: Store
    loops: tuple[Loop, ...]
    guard: tuple[Expr, ...]
    private: int
    position: int
    data: tuple[_Condition, ...] = ()
    tensor: Tensor | None = None
    reduced: tuple[Loop, ...] = field(default=())
    helper: bool = False

    @property
    def axes(self) -> list[Axis]:
        return [(loop.var, _extent(loop)) for loop in self.loops]


def to_tensors(program: Program) -> Graph:
    """The functional form of a flat program. Raises `Unraisable`."""
    return _Dataflow(program).graph()


def _extent(loop: Loop) -> int:
    extent = tir.as_const(loop.extent)
    if extent is None:
        raise Unraisable("a loop's length is not a constant", loop.span)
    return extent


class _Dataflow:
    def __init__(self, program: Program) -> None:
        self.writes: list[_Write] = []
        self.life: dict[Buffer, int] = {}
        self.steps = 0
        self.made: set[Buffer] = set()
        self.params = [place for param, place in program.params if tirx.is_buffer_var(place)]
        self._collect(program.body, (), ())
        self.by_buffer: dict[Buffer, list[_Write]] = {}
        for write in self.writes:
            self.by_buffer.setdefault(write.store.buffer, []).append(write)

    # ------------------------------------------------------------ program order

    def _collect(
        self,
        body: Body,
        loops: tuple[Loop, ...],
        guard: tuple[Expr, ...],
        data: tuple[_Condition, ...] = (),
    ) -> None:
        for statement in body:
            self._statement(statement, loops, guard, data)

    def _statement(
        self,
        statement: Statement,
        loops: tuple[Loop, ...],
        guard: tuple[Expr, ...],
        data: tuple[_Condition, ...],
    ) -> None:
        if isinstance(statement, Alloc):
            self.life[statement.buffer] = len(loops)
        elif isinstance(statement, Loop):
            _extent(statement)
            self._collect(statement.body, (*loops, statement), guard, data)
        elif isinstance(statement, Branch):
            test = statement.test
            position = len(self.writes)
            for body, tests in (
                (statement.then, tir.conjuncts(test)),
                (statement.other, [negated(test)]),
            ):
                plain = tuple(part for part in tests if not tir.has_load(part))
                reads = tuple(
                    _Condition(part, loops, guard, position) for part in tests if tir.has_load(part)
                )
                self._collect(body, loops, (*guard, *plain), (*data, *reads))
        elif isinstance(statement, Store):
            private = self.life.get(statement.buffer, 0)
            write = _Write(statement, loops, guard, private, len(self.writes), data)
            self.writes.append(write)
        elif isinstance(statement, While):
            raise Unraisable("a loop ends when data says so", statement.span)
        else:
            raise TypeError(type(statement).__name__)

    # ------------------------------------------------------------ tensors

    def graph(self) -> Graph:
        for write in list(self.writes):
            self._define(write)
        # In program order, so that a parameter is overwritten only after its first content is read.
        outputs: list[Output] = []
        for write in self.writes:
            if write.store.buffer in self.params and not write.helper:
                outputs = self._output(write, outputs)
        outputs = _without_overwritten(outputs)
        tensors = tuple(write.tensor for write in self.writes if write.tensor is not None)
        return Graph(tensors, tuple(outputs)).live()

    def _define(self, write: _Write) -> None:
        """The tensor of one store."""
        store = write.store
        data = [self._condition(condition, write) for condition in write.data]
        plain = write.guard
        value, index = store.value, store.index
        own = store.buffer[index]
        if data:  # a store under a condition on data keeps the old value otherwise
            fresh = store.buffer not in self.params and self._previous(write) is None
            old = tir.const(0, store.buffer.dtype) if fresh else own  # never set: anything will do
            value = tirx.if_then_else(tir.conjunction(data), value, old)
        update = self._update(write, value, own)
        if update is not None:
            self._define_reduction(write, *update)
            return
        resolved = self._resolved(value, write)
        write.tensor = Tensor(
            self._buffer(write, write.axes), tuple(write.axes), resolved, None, plain, store.span
        )

    def _condition(self, condition: _Condition, write: _Write) -> Expr:
        """A test on data over tensors, as it came out where it stands."""
        at = _Write(
            write.store, condition.loops, condition.guard, write.private, condition.position
        )
        return self._resolved(condition.test, at)

    def _buffer(self, write: _Write, axes: list[Axis]) -> Buffer:
        shape = [extent for _, extent in axes] or [1]
        buffer = tirx.decl_buffer(shape, write.store.buffer.dtype, write.store.buffer.name)
        self.made.add(buffer)
        return buffer

    # ------------------------------------------------------------ reductions

    def _update(self, write: _Write, value: Expr, own: Expr) -> tuple[str, Expr] | None:
        """`(op, e)` where the store is `a[i] = a[i] op e` inside loops that do not move `i`."""
        found = _split_update(value, own)
        if found is None:
            return None
        if not self._reduced_loops(write):
            return None
        return found

    def _reduced_loops(self, write: _Write) -> tuple[Loop, ...]:
        """Loops over which an update accumulates: inside the array's life, not in the index,
        and not around the store that gave it its first value."""
        start = write.private
        first = self._previous(write)
        if first is not None:
            start = max(start, _common(first.loops, write.loops))
        return tuple(
            loop
            for loop in write.loops[start:]
            if not tir.uses(write.store.index, [loop.var])
            and (not loop.parallel or write.store.atomic)
        )

    def _previous(self, write: _Write) -> _Write | None:
        """The nearest store to the same array before this one."""
        before = [w for w in self.by_buffer[write.store.buffer] if w.position < write.position]
        return before[-1] if before else None

    def _define_reduction(self, write: _Write, op: str, term: Expr) -> None:
        store = write.store
        loops = self._reduced_loops(write)
        inside = {id(loop) for loop in loops}
        for other in self.by_buffer[store.buffer]:
            shared = other.loops[: _common(other.loops, write.loops)]
            if other is not write and any(id(loop) in inside for loop in shared):
                raise Unraisable(
                    "an accumulator is also changed elsewhere in the loop it accumulates over",
                    store.span,
                )
        pairs = list(zip(write.axes, write.loops, strict=True))
        axes = [axis for axis, loop in pairs if id(loop) not in inside]
        reduced = tuple(axis for axis, loop in pairs if id(loop) in inside)
        dtype = store.buffer.dtype
        value = self._resolved(term, write)
        names = [var for var, _ in reduced]
        own_guard = tuple(test for test in write.guard if not tir.uses(test, names))
        inner_guard = [test for test in write.guard if tir.uses(test, names)]
        identity = IDENTITY[op](dtype)
        if inner_guard:
            value = tirx.if_then_else(tir.conjunction(inner_guard), value, identity)
        write.reduced, write.guard = loops, own_guard
        outside = _Write(
            store,
            tuple(loop for loop in write.loops if id(loop) not in inside),
            own_guard,
            write.private,
            write.position,
        )
        start = self._value_before(write, outside)
        buffer = self._buffer(write, axes)
        accumulated = Tensor(
            buffer,
            tuple(axes),
            value,
            Reduction(op, reduced, identity),
            own_guard,
            store.span,
        )
        if _neutral(op, start):
            write.tensor = accumulated
            return
        # The first value joins once, after the reduction.
        point = tuple(var for var, _ in axes) or (tir.const(0, "int32"),)
        whole = combine(op, start, buffer[point])
        write.tensor = Tensor(
            self._buffer(write, axes), tuple(axes), whole, None, own_guard, store.span
        )
        self._insert(write, accumulated)

    def _insert(self, write: _Write, tensor: Tensor) -> None:
        """A tensor that no store of the program stands for, before `write`'s own."""
        helper = _Write(
            write.store,
            write.loops,
            write.guard,
            write.private,
            write.position,
            tensor=tensor,
        )
        helper.helper = True
        self.writes.insert(self.writes.index(write), helper)

    def _value_before(self, write: _Write, outside: _Write) -> Expr:
        """What an accumulator holds before its loops start."""
        with knowing(outside.axes, outside.guard) as analyzer:
            found = self._read(
                write.store.buffer, write.store.index, outside, analyzer, write.position
            )
            return simplified(analyzer, self._constants_in(found))

    def _constants_in(self, expr: Expr) -> Expr:
        """`expr` with reads of constant tensors replaced by the constants."""
        constants = {
            write.tensor.buffer: write.tensor.value
            for write in self.writes
            if write.tensor is not None
            and isinstance(write.tensor.value, (tirx.IntImm, tirx.FloatImm))
        }
        return tir.map_loads(expr, lambda load: constants.get(load.source, load))

    # ------------------------------------------------------------ reads

    def _resolved(self, expr: Expr, write: _Write) -> Expr:
        """`expr` with every read of a written array replaced by a read of a tensor."""
        with knowing(write.axes, write.guard) as analyzer:
            return simplified(analyzer, self._at(lift_choices(expr), write, analyzer))

    def _at(self, expr: Expr, write: _Write, analyzer: Any) -> Expr:
        """`expr` over tensors; each side of a choice under the choice's own condition."""
        choices = outermost_choices(expr)
        held: dict[Var, Expr] = {}
        for choice in choices:
            test, then, other = choice.args
            test = self._at(test, write, analyzer)
            sides = []
            for side, holds in ((then, test), (other, tirx.Not(test))):
                plain = not tir.has_load(holds)
                with analyzer.constraint_scope(holds) if plain else nullcontext():
                    sides.append(self._at(side, write, analyzer))
            place = tirx.Var("choice", tir.dtype_of(choice))
            held[place] = tirx.if_then_else(test, *sides)
        if choices:
            places = list(held)
            expr = replace_choices(expr, choices, places)

        def change(load: Expr) -> Expr:
            buffer = load.source
            if buffer in self.made:
                return load  # of a test that is resolved already
            if buffer not in self.by_buffer:
                if buffer not in self.params:
                    raise Unraisable(f"{buffer.name!r} is read and never written", write.store.span)
                return load
            return self._read(buffer, load.indices[0], write, analyzer, write.position)

        return tir.substitute(tir.map_loads(expr, change), held)

    def _read(
        self, buffer: Buffer, index: Expr, at: _Write, analyzer: object, position: int
    ) -> Expr:
        """The value of `buffer[index]` as `at` sees it."""
        if tir.has_load(index):
            raise Unraisable(
                f"{buffer.name!r} is both written and read at an index from memory", at.store.span
            )
        writes = self.by_buffer[buffer]
        pieces: list[tuple[Expr, Expr]] = []
        cover: _Write | None = None
        whole: Expr | None = None
        for write in reversed([w for w in writes if w.position < position]):
            found = self._from(write, index, at, analyzer)
            if found is None:
                continue
            value, conditions = found
            if not conditions:
                cover, whole = write, value
                break
            pieces.append((tir.conjunction(conditions), value))
        self._refuse_carried(buffer, index, at, analyzer, cover)
        if whole is None:
            if buffer not in self.params:
                if not pieces:
                    raise Unraisable(f"{buffer.name!r} is read before it is written", at.store.span)
                whole = tir.const(0, buffer.dtype)  # elsewhere nothing was ever stored
            else:
                whole = buffer[index]
        for condition, value in reversed(pieces):
            whole = tirx.if_then_else(condition, value, whole)
        return whole

    def _from(
        self, write: _Write, index: Expr, at: _Write, analyzer: object
    ) -> tuple[Expr, tuple[Expr, ...]] | None:
        """The element as `write` stored it and when it did; `None` where it never did."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooLarge("too many stores may have written what is read", at.store.span)
        shared = _common(write.loops, at.loops)
        inner = [loop for loop in write.loops[shared:] if loop not in write.reduced]
        if any(loop in write.reduced for loop in write.loops[:shared]):
            raise Unraisable("an accumulator is read while it accumulates", at.store.span)
        extents, pinned, tests = _tightened(inner, write.guard)
        unknowns = [(loop.var, extents[loop.var]) for loop in inner if loop.var not in pinned]
        stored = tir.substitute(write.store.index, pinned)
        solution = solve(stored, index, unknowns, analyzer)
        if solution is None:
            raise Unraisable(
                f"which iteration wrote the element of {write.store.buffer.name!r} "
                "that is read is not understood",
                at.store.span,
            )
        values: dict[Var, Expr] = {**pinned, **solution.values}
        for loop in inner:
            if loop.var in values:
                continue
            if loop.parallel and extents[loop.var] > 1:
                raise Unraisable(
                    f"several threads write the same element of {write.store.buffer.name!r}",
                    write.store.span,
                )
            values[loop.var] = tir.const(extents[loop.var] - 1, "int32")
        conditions = list(solution.conditions)
        for test in tests:
            here = analyzer.simplify(tir.substitute(test, values))  # type: ignore[attr-defined]
            if tir.as_const(here) != 1:
                conditions.append(here)
        if any(tir.as_const(condition) == 0 for condition in conditions):
            return None
        if conditions and analyzer.can_prove(tirx.Not(tir.conjunction(conditions))):  # type: ignore[attr-defined]
            return None
        assert write.tensor is not None
        reduced = {id(loop) for loop in write.reduced}
        point = tuple(
            values.get(loop.var, loop.var) for loop in write.loops if id(loop) not in reduced
        )
        return write.tensor.buffer[point or (tir.const(0, "int32"),)], tuple(conditions)

    def _refuse_carried(
        self,
        buffer: Buffer,
        index: Expr,
        at: _Write,
        analyzer: object,
        cover: _Write | None,
    ) -> None:
        """Refuses a read that may see what an earlier iteration of a loop stored."""
        for write in self.by_buffer[buffer]:
            shared = _common(write.loops, at.loops)
            for depth in range(write.private, shared):
                loop = at.loops[depth]
                if loop.parallel:
                    continue
                if cover is not None and _common(cover.loops, at.loops) > depth:
                    continue  # the same iteration has overwritten it
                if not self._same_iteration_only(write, index, depth, analyzer):
                    raise Unraisable(
                        f"an iteration of a loop uses {buffer.name!r} as an earlier one left it",
                        at.store.span,
                    )

    def _same_iteration_only(
        self, write: _Write, index: Expr, depth: int, analyzer: object
    ) -> bool:
        """Whether only the loop's current iteration stores to the element."""
        fresh = {loop.var: tirx.Var(loop.var.name, "int32") for loop in write.loops[depth:]}
        unknowns = [(fresh[loop.var], _extent(loop)) for loop in write.loops[depth:]]
        moved = tir.substitute(write.store.index, fresh)
        solution = solve(moved, index, unknowns, analyzer)
        loop = write.loops[depth]
        if solution is None or fresh[loop.var] not in solution.values:
            return False
        same = tirx.EQ(solution.values[fresh[loop.var]], loop.var)
        return bool(analyzer.can_prove(same))  # type: ignore[attr-defined]

    # ------------------------------------------------------------ outputs

    def _output(self, write: _Write, outputs: list[Output]) -> list[Output]:
        """`write` as the (next) output of its parameter."""
        assert write.tensor is not None
        tensor, index = write.tensor, write.store.index
        axes = list(tensor.axes)
        if write.reduced or tensor.reduction is not None:
            value = tensor.buffer[tuple(var for var, _ in axes) or (tir.const(0, "int32"),)]
        else:
            value = tensor.value
        loops = [loop for loop in write.loops if loop not in write.reduced]
        extents, pinned, tests = _tightened(loops, tensor.guard)
        last: dict[Var, Expr] = dict(pinned)
        for loop in loops:
            if loop.var in pinned or tir.uses(index, [loop.var]) or extents[loop.var] == 1:
                continue
            if loop.parallel:
                raise Unraisable(
                    f"several threads write the same element of {write.store.buffer.name!r}",
                    write.store.span,
                )
            if any(tir.uses(test, [loop.var]) for test in tests):
                raise Unraisable("which iteration stores last is not understood", write.store.span)
            last[loop.var] = tir.const(extents[loop.var] - 1, "int32")
        axes = [(var, extents[var]) for var, _ in axes if var not in last]
        index = tir.substitute(index, last)
        value = tir.substitute(value, last)
        guard = tuple(tir.substitute(test, last) for test in tests)
        with knowing(axes, guard) as analyzer:
            index, value = analyzer.simplify(index), simplified(analyzer, value)
        latest = outputs[-1] if outputs else None
        if latest is not None and latest.param.same_as(write.store.buffer):
            merged = _merged(latest, index, axes, value, guard, tensor=tensor)
            if merged is not None:
                return [*outputs[:-1], merged]
        final = Tensor(tensor.buffer, tuple(axes), value, None, guard, write.store.span)
        return [*outputs, Output(write.store.buffer, index, final)]


def _without_overwritten(outputs: list[Output]) -> list[Output]:
    """Without the stores of which every element is stored again later."""
    kept: list[Output] = []
    for position, output in enumerate(outputs):
        later = [o for o in outputs[position + 1 :] if o.param.same_as(output.param)]
        if not any(_covers(other, output) for other in later):
            kept.append(output)
    return kept


def _covers(later: Output, earlier: Output) -> bool:
    fresh = {var: tirx.Var(var.name, "int32") for var, _ in later.tensor.axes}
    unknowns = [(fresh[var], extent) for var, extent in later.tensor.axes]
    with knowing(earlier.tensor.axes, earlier.tensor.guard) as analyzer:
        moved = tir.substitute(later.index, fresh)
        solution = solve(moved, earlier.index, unknowns, analyzer)
        if solution is None or solution.conditions or len(solution.values) < len(unknowns):
            return False
        return all(
            analyzer.can_prove(tir.substitute(tir.substitute(test, fresh), solution.values))
            for test in later.tensor.guard
        )


def _merged(
    earlier: Output,
    index: Expr,
    axes: list[Axis],
    value: Expr,
    guard: tuple[Expr, ...],
    *,
    tensor: Tensor,
) -> Output | None:
    """Two stores of one iteration to one element, as in the two sides of a branch."""
    first = earlier.tensor
    if [var for var, _ in first.axes] != [var for var, _ in axes] or not tir.same(
        earlier.index, index
    ):
        return None
    if any(load.source.same_as(first.buffer) for load in tir.loads(value)):
        return None
    shared = [test for test in first.guard if any(tir.same(test, other) for other in guard)]
    own = [test for test in guard if not any(tir.same(test, other) for other in shared)]
    rest = [test for test in first.guard if not any(tir.same(test, other) for other in shared)]
    with knowing(axes, shared) as analyzer:
        either = tirx.Or(tir.conjunction(rest), tir.conjunction(own))
        complete = not rest or not own or tir.as_const(analyzer.simplify(either)) == 1
        complete = complete or bool(analyzer.can_prove(either)) or _complements(rest, own)
    if not complete:
        return None
    if not own:
        combined = value
    elif rest and len(rest) == 1:
        combined = (
            tirx.if_then_else(rest[0], first.value, value)
            if _complements(rest, own)
            else tirx.if_then_else(tir.conjunction(own), value, first.value)
        )
    else:
        combined = tirx.if_then_else(tir.conjunction(own), value, first.value)
    final = Tensor(first.buffer, tuple(axes), combined, None, tuple(shared), tensor.span)
    return Output(earlier.param, index, final)


def _complements(left: list[Expr], right: list[Expr]) -> bool:
    a, b = tir.conjunction(left), tir.conjunction(right)
    return tir.same(negated(a), b) or tir.same(a, negated(b))


def _common(left: tuple[Loop, ...], right: tuple[Loop, ...]) -> int:
    """How many outermost loops two statements share."""
    count = 0
    for a, b in zip(left, right, strict=False):
        if a is not b:
            break
        count += 1
    return count


def _tightened(
    loops: list[Loop], guard: tuple[Expr, ...]
) -> tuple[dict[Var, int], dict[Var, Expr], list[Expr]]:
    """Extents after guards like `v < c`, variables fixed by `v == c`, and the other guards."""
    extents = {loop.var: _extent(loop) for loop in loops}
    pinned: dict[Var, Expr] = {}
    rest: list[Expr] = []
    for test in guard:
        bound = upper_bound(test)
        if bound is not None and bound[0] in extents:
            extents[bound[0]] = min(extents[bound[0]], bound[1])
            continue
        fixed = fixed_digits(test, list(extents.items()))
        for var, value in fixed.items():
            pinned[var] = tir.const(value, "int32")
            extents[var] = 1
        if not fixed or not isinstance(test, tirx.EQ):
            rest.append(test)
    for var, extent in extents.items():
        if extent == 1 and var not in pinned:
            pinned[var] = tir.const(0, "int32")
    return extents, pinned, rest


def _split_update(value: Expr, own: Expr) -> tuple[str, Expr] | None:
    """`(op, e)` where `value` is `own op e`."""
    kinds = {tirx.Add: "+", tirx.Mul: "*", tirx.Max: "max", tirx.Min: "min"}
    op = kinds.get(type(value))
    if op is not None:
        terms = _terms(value, type(value))
        selves = [term for term in terms if tir.same(term, own)]
        others = [term for term in terms if not tir.same(term, own)]
        if len(selves) == 1 and others and not any(_reads_own(term, own) for term in others):
            rest = others[0]
            for term in others[1:]:
                rest = combine(op, rest, term)
            return op, rest
        return None
    if isinstance(value, tirx.Sub) and tir.same(value.a, own) and not _reads_own(value.b, own):
        return "+", value.b * tir.const(-1, tir.dtype_of(value))
    if is_choice(value):
        test, then, other = value.args
        if tir.same(other, own) and not _reads_own(test, own):
            found = _split_update(then, own)
            if found is not None:
                op, term = found
                return op, tirx.if_then_else(test, term, IDENTITY[op](tir.dtype_of(value)))
    return None


def _terms(expr: Expr, kind: Any) -> list[Expr]:
    if isinstance(expr, kind):
        return _terms(expr.a, kind) + _terms(expr.b, kind)
    return [expr]


def _reads_own(expr: Expr, own: Expr) -> bool:
    return any(load.source.same_as(own.source) for load in tir.loads(expr))


def _neutral(op: str, start: Expr) -> bool:
    """Whether a reduction may start from its identity instead of `start`."""
    if not isinstance(start, (tirx.IntImm, tirx.FloatImm)):
        return False
    value = float(start.value)
    identity = float(IDENTITY[op](tir.dtype_of(start)).value)
    if op == "max":
        return value <= identity
    return value >= identity if op == "min" else value == identity
