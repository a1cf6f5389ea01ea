"""Flat program -> tensors: each store as a function of the loops around it.

What a store reads is traced back to the stores that wrote it, see `reaching`; updates inside loops
that do not move the element become reductions. A store is defined when something first asks for
it, since a buffer filled for the next iteration is read before the text stores to it; one that
asks for itself is part of a recurrence, see `recurrences`.

Refusals are `Unraisable`, with the reason and the place; the caller falls back to an opaque block.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import (
    Alloc,
    Body,
    Branch,
    Loop,
    Program,
    Region,
    Statement,
    Store,
    While,
    statements,
)
from .accumulation import split_update
from .carried import Register
from .outputs import add_output, without_overwritten
from .reaching import Reaching
from .recurrences import solve_recurrences
from .refusal import Circular, Kept, TooLarge, Unraisable, Unwritten
from .regions import Window, loop_over, run_of, touches
from .scatter import refuse_meetings, updates_at_place
from .tensors import (
    IDENTITY,
    Axis,
    Graph,
    Output,
    Recurrence,
    Reduction,
    Tensor,
    combine,
    is_identity,
    knowing,
    lift_choices,
    negated,
    outermost_choices,
    replace_choices,
    simplified,
)
from .writes import Condition, Part, Write, common, extent_of

MOST_NESTED = 96  # stores of which each is only understood when the next is
_FRAMES = 16  # of Python, that each of them takes at most


def to_tensors(program: Program) -> Graph:
    """The functional form of a flat program. Raises `Unraisable`."""
    kept: set[Buffer] = set()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + _FRAMES * MOST_NESTED)
    try:
        while True:
            try:
                return _Dataflow(program, kept).graph()
            except Kept as one:
                kept.add(one.buffer)
    finally:
        sys.setrecursionlimit(limit)


class _Dataflow:
    """`kept` arrays are known to be needed as conditional stores leave them."""

    def __init__(self, program: Program, kept: set[Buffer]) -> None:
        self.kept = kept
        self.writes: list[Write] = []
        self.life: dict[Buffer, int] = {}
        self.made: set[Buffer] = set()
        self.begun: set[Write] = set()
        self.nested = 0  # definitions under way
        self.tests: dict[Condition, Expr] = {}  # over tensors
        self.order: list[Write] = []  # each behind those it reads
        self.params = [place for param, place in program.params if tirx.is_buffer_var(place)]
        self.spans: dict[Loop, tuple[int, int]] = {}
        self.closed: dict[Buffer, Expr | None] = {}  # integers without what memory holds
        self.snapshots: dict[tuple[Buffer, int, tuple[Loop, ...]], Write] = {}
        self.reads: dict[Buffer, list[tuple[tuple[Loop, ...], Store | None]]] = {}
        self.asked: dict[Buffer, list[tuple[Condition, ...]]] = {}  # what each read stands under
        self.stored = {one.buffer for one in statements(program.body) if isinstance(one, Store)}
        self.touches = touches(program.body)
        self._collect(program.body, (), ())
        for write in self.writes:
            if self._is_scoped(write):
                write.scope = max(len(condition.loops) for condition in write.data)
        self.register = Register(self.spans, self.made)
        self.reaching = Reaching(self.writes, self.params, self._defined, self.register)
        self.by_buffer = self.reaching.by_buffer

    # ------------------------------------------------------------ program order

    def _collect(
        self,
        body: Body,
        loops: tuple[Loop, ...],
        guard: tuple[Expr, ...],
        data: tuple[Condition, ...] = (),
    ) -> None:
        for statement in body:
            self._statement(statement, loops, guard, data)

    def _statement(
        self,
        statement: Statement,
        loops: tuple[Loop, ...],
        guard: tuple[Expr, ...],
        data: tuple[Condition, ...],
    ) -> None:
        if isinstance(statement, Alloc):
            self.life[statement.buffer] = len(loops)
        elif isinstance(statement, Loop):
            extent_of(statement)
            start = len(self.writes)
            self._collect(statement.body, (*loops, statement), guard, data)
            self.spans[statement] = (start, len(self.writes))
        elif isinstance(statement, Branch):
            test = statement.test
            self._note_reads(test, loops, None, data)
            position = len(self.writes)
            for body, tests in (
                (statement.then, tir.conjuncts(test)),
                (statement.other, [negated(test)]),
            ):
                plain = tuple(part for part in tests if not tir.has_load(part))
                reads = tuple(
                    Condition(part, loops, guard, position) for part in tests if tir.has_load(part)
                )
                self._collect(body, loops, (*guard, *plain), (*data, *reads))
        elif isinstance(statement, Store):
            private = self.life.get(statement.buffer, 0)
            write = Write(statement, loops, guard, private, len(self.writes), data)
            self.writes.append(write)
            for expr in (statement.value, statement.index):
                self._note_reads(expr, loops, statement, data)
        elif isinstance(statement, (While, Region)):
            body = statement.body if isinstance(statement, Region) else (statement,)
            self._region(body, loops, guard, data, statement.span)
        else:
            raise TypeError(type(statement).__name__)

    def _region(
        self,
        body: Body,
        loops: tuple[Loop, ...],
        guard: tuple[Expr, ...],
        data: tuple[Condition, ...],
        span: Span,
    ) -> None:
        """Statements that stay as they are: stores of what a run finds, and of what it leaves."""
        here = touches(body)
        alone = {
            buffer: self.life.get(buffer) == len(loops) and here[buffer] == self.touches[buffer]
            for buffer in self.stored
        }
        run = run_of(body, loops, guard, alone, span)
        found: dict[Buffer, Write] = {}
        for window in run.windows:
            element, around = self._elements(window, loops, span)
            read = window.buffer[window.start + element]
            store = Store(run.held[window.buffer], element, read, span)
            write = Write(store, around, guard, len(loops), len(self.writes), data, may_lack=True)
            self._note_reads(read, around, store, data)
            self.asked.setdefault(store.buffer, []).append(data)
            self.writes.append(write)
            found[window.buffer] = write
        part = Part(run, found, data)
        for window in run.windows:
            if window.is_stored:
                element, around = self._elements(window, loops, span)
                index = window.start + element
                store = Store(window.buffer, index, window.buffer[index], span)
                private = self.life.get(window.buffer, 0)
                write = Write(store, around, guard, private, len(self.writes), part=part)
                self.writes.append(write)

    def _elements(
        self, window: Window, loops: tuple[Loop, ...], span: Span
    ) -> tuple[Expr, tuple[Loop, ...]]:
        """The place of an element in a window, and the loops around it."""
        if window.size == 1:
            return tir.const(0, "int32"), loops
        loop = loop_over(window.size, span)
        self.spans[loop] = (len(self.writes), len(self.writes) + 1)
        return loop.var, (*loops, loop)

    def _note_reads(
        self,
        expr: Expr,
        loops: tuple[Loop, ...],
        store: Store | None,
        data: tuple[Condition, ...],
    ) -> None:
        for load in tir.loads(expr):
            self.reads.setdefault(load.source, []).append((loops, store))
            self.asked.setdefault(load.source, []).append(data)

    # ------------------------------------------------------------ tensors

    def graph(self) -> Graph:
        for write in list(self.writes):
            self._place(write)
        for write in self.writes:
            self._defined(write)
        tensors = self._solved()
        # In program order, so that a parameter is overwritten only after its first content is read.
        outputs: list[Output] = []
        for write in self.writes:
            if write.store.buffer in self.params:
                outputs = add_output(write, outputs)
        return without_overwritten(Graph(tuple(tensors), tuple(outputs)))

    def _place(self, write: Write) -> None:
        """Gives a store the index that it computes from loop variables alone, if by way of memory:
        `r = i % 8 * 4; s[r] = …`."""
        store = write.store
        if not tir.has_load(store.index) or write.part is not None:
            return
        if any(load.source not in self.by_buffer for load in tir.loads(store.index)):
            return
        try:
            index = self._without_copies(self._resolved(store.index, write))
        except Unraisable:
            return
        if tir.has_load(index):
            return
        with knowing(write.axes, write.guard) as analyzer:
            index = analyzer.simplify(index)
        own = store.buffer[store.index]

        def moved(load: Expr) -> Expr:
            return store.buffer[index] if tir.same(load, own) else load

        write.store = replace(store, index=index, value=tir.map_loads(store.value, moved))
        for buffer, reads in self.reads.items():
            self.reads[buffer] = [
                (loops, write.store if by is store else by) for loops, by in reads
            ]

    def _solved(self) -> list[Tensor]:
        """The stores' tensors in order, with the recurrences that they are part of."""
        tensors = [write.tensor for write in self.order if write.tensor is not None]
        carried = self.register.resolve(self.reaching.read)
        if carried:
            tensors = solve_recurrences(tensors, carried)
            solved = {tensor.buffer: tensor for tensor in tensors}
            for write in self.writes:
                if write.tensor is not None:
                    write.tensor = solved[write.tensor.buffer]
        return tensors

    def _defined(self, write: Write) -> bool:
        """Gives a store its tensor; `False` where that is under way, as the store needs itself."""
        if write in self.begun:
            return write.tensor is not None
        if self.nested == MOST_NESTED:
            raise TooLarge("too many stores need one another", write.store.span)
        self.begun.add(write)
        self.nested += 1
        try:
            self._define(write)
        except Unraisable:
            self.begun.discard(write)
            raise
        finally:
            self.nested -= 1
        self.order.append(write)
        return True

    def _define(self, write: Write) -> None:
        """The tensor of one store."""
        store = write.store
        if write.part is not None:
            self._define_part(write, write.part)
            return
        data = [self._condition(condition, write) for condition in write.data]
        plain = write.guard
        value, index = store.value, store.index
        if tir.has_load(index):
            self._define_scatter(write, data)
            return
        own = store.buffer[index]
        if data and (write.scope is not None or not self._holds_something(write)):
            # Elsewhere anything will do.
            value = self._resolved(value, write)
            if not self._is_total(value):
                never = tir.const(0, store.buffer.dtype)
                value = tirx.if_then_else(tir.conjunction(data), value, never)
        elif data:  # elsewhere it keeps the old value
            value = tirx.if_then_else(tir.conjunction(data), value, own)
        update = self._update(write, value, own)
        if update is not None:
            self._define_reduction(write, *update)
            return
        try:
            resolved = self._resolved(value, write)
        except Unwritten:
            if not write.may_lack:
                raise
            resolved = tir.const(0, store.buffer.dtype)
        write.tensor = Tensor(
            self._buffer(write, write.axes), tuple(write.axes), resolved, None, plain, store.span
        )

    def _is_scoped(self, write: Write) -> bool:
        """Whether all that reads the array stands under the same conditions on data."""
        asked = self.asked.get(write.store.buffer, [])
        return (
            bool(write.data)
            and write.store.buffer not in self.params
            and write.store.buffer not in self.kept
            and all(condition in data for data in asked for condition in write.data)
        )

    def _is_total(self, value: Expr) -> bool:
        """Whether a value over tensors may be computed where nothing asks for it."""
        found: list[Expr] = []
        kinds = (tirx.Div, tirx.Mod, tirx.FloorDiv, tirx.FloorMod)
        tvm_ffi.structural_walk(value, [(kind, found.append) for kind in kinds], order="pre")
        if any(tir.is_int(division) for division in found):
            return False
        return all(
            load.source in self.made and not any(map(tir.has_load, load.indices))
            for load in tir.loads(value)
        )

    def _define_scatter(self, write: Write, data: list[Expr]) -> None:
        """A store to a parameter at an index from memory, which nothing else reads."""
        store, name = write.store, write.store.buffer.name
        own = store.buffer[store.index]
        reads = self.reads.get(store.buffer, [])
        others = [one for one in self.by_buffer[store.buffer] if one is not write]
        refuse_meetings(write, others)
        readers = [by for _, by in reads if by is not store]
        if store.buffer not in self.params or not all(map(updates_at_place, readers)):
            raise Unraisable(f"{name!r} is stored to at an index from memory", store.span)
        element = tirx.Var("element", store.buffer.dtype)
        value = tir.map_loads(store.value, lambda load: element if tir.same(load, own) else load)
        write.scattered = self._resolved(store.index, write)
        value = self._resolved(value, write)
        for expr in (value, write.scattered, *data):
            if any(load.source in self.by_buffer for load in tir.loads(expr)):
                raise Unraisable(
                    f"{name!r} is both written and read at an index from memory", store.span
                )
        value = tir.substitute(value, {element: store.buffer[write.scattered]})
        guard = (*write.guard, *data)
        buffer = self._buffer(write, write.axes)
        write.tensor = Tensor(buffer, tuple(write.axes), value, None, guard, store.span)

    def _define_part(self, write: Write, part: Part) -> None:
        """What a run of a region leaves in one of its arrays."""
        for found in part.found.values():
            if not self._defined(found):
                raise Circular("a region starts from what it leaves", write.store.span)
        around = tuple(loop.var for loop in part.run.loops)

        def held(buffer: Buffer, place: Expr) -> Expr:
            tensor = part.found[buffer].tensor
            assert tensor is not None
            own = (place,) if len(tensor.axes) > len(around) else ()
            point = (*around, *own) or (tir.const(0, "int32"),)
            return tensor.buffer[point]

        body = part.run.statements(held)
        tests = [self._condition(condition, write) for condition in part.data]
        if tests:
            body = (Branch(tir.conjunction(tests), body, (), part.run.span),)
        body = (*part.run.start(held), *body)
        elements = tuple(write.axes[len(around) :])
        memory = part.run.memory[write.store.buffer]
        value = memory[tuple(var for var, _ in elements) or (tir.const(0, "int32"),)]
        recurrence = Recurrence((), (), body=body, elements=elements)
        axes = tuple(write.axes)
        buffer = self._buffer(write, write.axes)
        span = write.store.span
        write.tensor = Tensor(buffer, axes, value, None, write.guard, span, recurrence)

    def _condition(self, condition: Condition, write: Write) -> Expr:
        """A test on data over tensors, as it came out where it stands."""
        if condition not in self.tests:
            at = Write(
                write.store, condition.loops, condition.guard, write.private, condition.position
            )
            self.tests[condition] = self._resolved(condition.test, at)
        return self.tests[condition]

    def _buffer(self, write: Write, axes: list[Axis]) -> Buffer:
        shape = [extent for _, extent in axes] or [1]
        buffer = tirx.decl_buffer(shape, write.store.buffer.dtype, write.store.buffer.name)
        self.made.add(buffer)
        return buffer

    # ------------------------------------------------------------ reductions

    def _update(self, write: Write, value: Expr, own: Expr) -> tuple[str, Expr] | None:
        """`(op, e)` where the store is `a[i] = a[i] op e` inside loops that do not move `i`."""
        found = split_update(value, own)
        if found is None:
            return None
        if not self._reduced_loops(write):
            return None
        return found

    def _reduced_loops(self, write: Write) -> tuple[Loop, ...]:
        """Loops over which an update accumulates: inside the array's life, not in the index,
        and not around another store to the array or another read of it."""
        buffer = write.store.buffer
        others = [one.loops for one in self.by_buffer[buffer] if one is not write]
        others += [loops for loops, store in self.reads.get(buffer, []) if store is not write.store]
        start = max([write.private, *(common(loops, write.loops) for loops in others)])
        return tuple(
            loop
            for loop in write.loops[start:]
            if not tir.uses(write.store.index, [loop.var])
            and (not loop.parallel or write.store.atomic)
        )

    def _holds_something(self, write: Write) -> bool:
        """Whether the element may have been stored before."""
        buffer, index = write.store.buffer, write.store.index
        if buffer in self.params or any(
            other.position < write.position for other in self.by_buffer[buffer]
        ):
            return True
        around = [loop for loop in write.loops[write.private :] if not loop.parallel]
        return any(extent_of(loop) > 1 and not tir.uses(index, [loop.var]) for loop in around)

    def _define_reduction(self, write: Write, op: str, term: Expr) -> None:
        store = write.store
        loops = self._reduced_loops(write)
        inside = {id(loop) for loop in loops}
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
        outside = Write(
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
        if is_identity(op, start):
            write.tensor = accumulated
            return
        # The first value joins once, after the reduction.
        point = tuple(var for var, _ in axes) or (tir.const(0, "int32"),)
        whole = combine(op, start, buffer[point])
        write.tensor = Tensor(
            self._buffer(write, axes), tuple(axes), whole, None, own_guard, store.span
        )
        self._insert(write, accumulated)

    def _insert(self, write: Write, tensor: Tensor) -> None:
        """A tensor that no store of the program stands for, before `write`'s own."""
        helper = Write(
            write.store,
            write.loops,
            write.guard,
            write.private,
            write.position,
            tensor=tensor,
        )
        self.order.append(helper)

    def _value_before(self, write: Write, outside: Write) -> Expr:
        """What an accumulator holds before its loops start."""
        with knowing(outside.axes, outside.guard) as analyzer:
            found = self.reaching.read(
                write.store.buffer, write.store.index, outside, analyzer, write.position
            )
            return simplified(analyzer, self._constants_in(found))

    def _constants_in(self, expr: Expr) -> Expr:
        """`expr` with reads of constant tensors replaced by the constants."""
        constants = {
            write.tensor.buffer: write.tensor.value
            for write in self.order
            if write.tensor is not None
            and isinstance(write.tensor.value, (tirx.IntImm, tirx.FloatImm))
        }
        return tir.map_loads(expr, lambda load: constants.get(load.source, load))

    # ------------------------------------------------------------ reads

    def _without_copies(self, index: Expr) -> Expr:
        """An index with integers that are made of loop variables alone in place of their reads."""
        values = {one.tensor.buffer: one.tensor for one in self.order if one.tensor is not None}

        def change(load: Expr) -> Expr:
            tensor = values.get(load.source)
            if tensor is None or not tensor.plain or not tir.is_int(tensor.value):
                return load
            if tensor.buffer not in self.closed:
                known = None if tir.is_large(tensor.value) else self._without_copies(tensor.value)
                self.closed[tensor.buffer] = known
            value = self.closed[tensor.buffer]
            if value is None or tir.has_load(value):
                return load
            point = zip((var for var, _ in tensor.axes), load.indices, strict=False)
            return tir.substitute(value, dict(point))

        return tir.map_loads(index, change)

    def _snapshot(self, buffer: Buffer, at: Write) -> Callable[[Expr], Expr]:
        """All of an array as a place in the program finds it, by index."""
        key = (buffer, at.position, at.loops)
        if at.inner or any(loop in at.reduced for loop in at.loops):
            raise Unraisable(f"{buffer.name!r} is read at an index from memory", at.store.span)
        if key not in self.snapshots:
            span = at.store.span
            window = Window(buffer, tir.const(0, "int32"), int(buffer.shape[0]), False)
            element, around = self._elements(window, at.loops, span)
            held = tirx.decl_buffer([window.size], buffer.dtype, buffer.name, scope="local")
            store = Store(held, element, buffer[element], span)
            found = Write(store, around, at.guard, len(at.loops), at.position, may_lack=True)
            if not self._defined(found):
                raise Circular("a snapshot needs itself", span)
            self.snapshots[key] = found
        tensor = self.snapshots[key].tensor
        assert tensor is not None
        point = tuple(loop.var for loop in at.loops)
        if len(tensor.axes) == len(point):
            return lambda _: tensor.buffer[point or (tir.const(0, "int32"),)]

        def found_at(index: Expr) -> Expr:
            place = (*point, index)
            return tensor.buffer[place]

        return found_at

    def _resolved(self, expr: Expr, write: Write) -> Expr:
        """`expr` with every read of a written array replaced by a read of a tensor."""
        with knowing(write.axes, write.guard) as analyzer:
            return simplified(analyzer, self._at(lift_choices(expr), write, analyzer))

    def _at(self, expr: Expr, write: Write, analyzer: Any) -> Expr:
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
            index = load.indices[0]
            if tir.has_load(index):
                index = analyzer.simplify(self._without_copies(index))
            if tir.has_load(index):
                return self._snapshot(buffer, write)(index)
            return self.reaching.read(buffer, index, write, analyzer, write.position)

        return tir.substitute(tir.map_loads(expr, change), held)
