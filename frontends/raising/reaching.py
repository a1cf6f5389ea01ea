"""Which store does an element that is read come from?

The search goes back in time from the read: the stores before it in the same iteration of all
loops that both stand in, then those in earlier iterations of the innermost sequential loop around
both, then the stores before that loop, and so on outwards.

A store's own loops have run to their end; the iteration that wrote the element is found by
inverting the store's index (`invert.py`). Where the element is written only under a condition, the
condition stays in the expression and the search goes on where it does not hold.

Earlier iterations are tried one by one, up to `MOST_BACK`: a buffer that is filled for the next
iteration, or for the one after that, is read as what the iteration before stored. Beyond that, and
where what is stored depends on what is read, the loop carries the element, see `carried`.

Parallel loops carry nothing between their iterations: a program in which they did would race.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.comparisons import undivided
from xpiler_tvm.tir import Buffer, Expr, Var

from .carried import Register
from .invert import Solution, solve
from .proving import proved
from .refusal import Circular, Kept, TooLarge, Unraisable, Unwritten
from .tensors import assume, divisions, negated
from .writes import Write, common, extent_of, tightened

MOST_STEPS = 800  # questions of the kind: did this store write that element?
MOST_BACK = 4  # iterations between a store and its reader


@dataclass(eq=False)
class _Search:
    """One read, with the conditional values found so far; `analyzer` knows that none of their
    conditions holds."""

    buffer: Buffer
    index: Expr
    at: Write
    position: int
    analyzer: Any
    stack: ExitStack
    pieces: list[tuple[Expr, Expr]] = field(default_factory=list)
    whole: Expr | None = None

    def take(self, value: Expr, conditions: tuple[Expr, ...]) -> bool:
        """Adds a value; whether it is the last one, since it holds wherever the others do not."""
        if not conditions:
            self.whole = value
            return True
        test = tir.conjunction(conditions)
        self.pieces.append((test, value))
        assume(self.stack, negated(test), self.analyzer, self.at.axes)
        return False

    def is_complete(self) -> bool:
        """Whether one of the conditions always holds; the last value then needs none."""
        if not self.pieces:
            return False
        none = tir.conjunction(tirx.Not(test) for test, _ in self.pieces)
        if not proved(tirx.Not(none), self.analyzer):
            return False
        _, self.whole = self.pieces.pop()
        return True


class Reaching:
    """The stores of a program, and what reads see of them.

    `params` have a first content; `define` gives a store its tensor, unless it is about to do so.
    `register` knows what elements hold at the start of iterations.
    """

    def __init__(
        self,
        writes: list[Write],
        params: list[Buffer],
        define: Callable[[Write], bool],
        register: Register,
    ) -> None:
        self.params = params
        self.define = define
        self.register = register
        self.steps = 0
        self.by_buffer: dict[Buffer, list[Write]] = {}
        for write in writes:
            self.by_buffer.setdefault(write.store.buffer, []).append(write)

    def read(self, buffer: Buffer, index: Expr, at: Write, analyzer: Any, position: int) -> Expr:
        """The value of `buffer[index]` as `at` sees it. Raises `Unraisable`."""
        if tir.has_load(index):
            raise Unraisable(
                f"{buffer.name!r} is both written and read at an index from memory", at.store.span
            )
        with ExitStack() as stack:
            search = _Search(buffer, index, at, position, analyzer, stack)
            for depth in range(len(at.loops), -1, -1):
                if self._before(search, depth) or self._earlier(search, depth):
                    break
        whole = search.whole
        if whole is None:
            if buffer not in self.params:
                # What a conditional store keeps need not exist.
                keeps = bool(at.data) and at.store.buffer.same_as(buffer)
                if not search.pieces and not keeps:
                    raise Unwritten(f"{buffer.name!r} is read before it is written", at.store.span)
                whole = tir.const(0, buffer.dtype)  # elsewhere nothing was ever stored
            else:
                whole = buffer[index]
        for condition, value in reversed(search.pieces):
            whole = tirx.if_then_else(condition, value, whole)
        return whole

    def _before(self, search: _Search, depth: int) -> bool:
        """Stores before the read that share `depth` loops with it, all in the same iteration."""
        for write in reversed(self.by_buffer[search.buffer]):
            if write.position >= search.position or common(write.loops, search.at.loops) != depth:
                continue
            found = self._from(write, search, depth)
            if found is not None and search.take(*found):
                return True
        return False

    def _earlier(self, search: _Search, depth: int) -> bool:
        """Stores in earlier iterations of the innermost of `depth` shared loops."""
        writes = self.by_buffer[search.buffer]
        if depth <= writes[0].private or search.at.loops[depth - 1].parallel:
            return False
        shared = [one for one in writes if common(one.loops, search.at.loops) >= depth]
        reaching = [one for one in shared if not self._is_over(one, search, depth, 0)]
        if not reaching:
            return False
        if search.is_complete():
            return True
        if any(one.scope is not None and depth <= one.scope for one in reaching):
            raise Kept(search.buffer)
        pieces, stack = list(search.pieces), search.stack
        try:
            if self.register.holds(search.buffer, search.at.loops[depth - 1]):
                raise _carried(search)
            with ExitStack() as search.stack:
                done = self._in_iterations(reaching, search, depth)
                stack.enter_context(search.stack.pop_all())
        except Circular:
            search.pieces = pieces
            search.whole = self.register.element(search.buffer, search.index, search.at, depth)
            done = True
        search.stack = stack
        return done

    def _in_iterations(self, reaching: list[Write], search: _Search, depth: int) -> bool:
        """The stores that may reach the read, from one iteration before it backwards."""
        for back in range(1, MOST_BACK + 1):
            if not reaching:
                return False
            for write in reversed(reaching):
                found = self._from(write, search, depth, back)
                if found is not None and search.take(*found):
                    return True
            reaching = [one for one in reaching if not self._is_over(one, search, depth, back)]
        if reaching:
            raise _carried(search)
        return False

    def _from(
        self, write: Write, search: _Search, depth: int, back: int = 0
    ) -> tuple[Expr, tuple[Expr, ...]] | None:
        """The element as `write` stored it and when it did; `None` where it never did.

        The store is in the same iteration of the first `depth` loops around the read, but for the
        last of them, of which it is `back` iterations before.
        """
        at, analyzer = search.at, search.analyzer
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooLarge("too many stores may have written what is read", at.store.span)
        if write.tensor is None:
            if back and self._misses_at(write, search, depth, back):
                return None
            if not self.define(write):
                raise _carried(search)
        if any(loop in write.reduced for loop in write.loops[:depth]):
            raise Unraisable("an accumulator is read while it accumulates", at.store.span)
        if not back:
            return self._solved(write, search, depth, {})
        var = at.loops[depth - 1].var
        begun = var >= back
        with ExitStack() as stack:
            assume(stack, begun, analyzer, at.axes)
            found = self._solved(write, search, depth, {var: var - back})
        if found is None or analyzer.can_prove(begun):
            return found
        value, conditions = found
        return value, (analyzer.simplify(begun), *conditions)

    def _solved(
        self, write: Write, search: _Search, depth: int, moved: dict[Var, Expr]
    ) -> tuple[Expr, tuple[Expr, ...]] | None:
        """`_from` with what `moved` says of the loops that both stand in."""
        at, analyzer = search.at, search.analyzer
        if tir.has_load(write.store.index):
            name = write.store.buffer.name
            raise Unraisable(f"{name!r} is stored to at an index from memory", write.store.span)
        inner = [loop for loop in write.loops[depth:] if loop not in write.reduced]
        extents, pinned, tests = tightened(inner, write.guard)
        unknowns = [(loop.var, extents[loop.var]) for loop in inner if loop.var not in pinned]
        stored = tir.substitute(write.store.index, {**pinned, **moved})
        known = [analyzer.simplify(tir.substitute(test, {**pinned, **moved})) for test in tests]
        solution = solve(stored, search.index, unknowns, analyzer, known)
        if solution is None:
            raise Unraisable(
                f"which iteration wrote the element of {write.store.buffer.name!r} "
                "that is read is not understood",
                at.store.span,
                write.store.span,
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
            if any(tir.uses(test, [loop.var]) for test in tests):
                whole = {**values, **moved}
                return self._left(write, write.loops.index(loop), search, solution, whole)
            values[loop.var] = tir.const(extents[loop.var] - 1, "int32")
        whole = {**values, **moved}
        again = self._stored_again(write, search, depth, whole)
        if again is not None:
            return self._left(write, again, search, solution, whole)
        conditions = list(solution.conditions)
        for test in tests:
            here = undivided(analyzer.simplify(tir.substitute(test, whole)), analyzer)
            if tir.as_const(here) != 1:
                conditions.append(here)
        if _never(conditions, analyzer):
            return None
        assert write.tensor is not None
        reduced = {id(loop) for loop in write.reduced}
        point = tuple(
            moved.get(loop.var, values.get(loop.var, loop.var))
            for loop in write.loops
            if id(loop) not in reduced
        )
        return write.tensor.buffer[point or (tir.const(0, "int32"),)], tuple(conditions)

    def _stored_again(
        self, write: Write, search: _Search, depth: int, values: dict[Var, Expr]
    ) -> int | None:
        """The outermost of the store's own loops in which another store may overwrite the element
        in an iteration after the one of `values`."""
        for position, loop in enumerate(write.loops[depth:], depth):
            if loop.parallel or extent_of(loop) == 1 or loop in write.reduced:
                continue
            for other in self.by_buffer[search.buffer]:
                if other is write or common(other.loops, write.loops) <= position:
                    continue
                if self._may_store_after(other, position, search, values):
                    return position
        return None

    def _may_store_after(
        self, other: Write, position: int, search: _Search, values: dict[Var, Expr]
    ) -> bool:
        analyzer = search.analyzer
        own = other.loops[position:]
        last = values[own[0].var]
        if tir.as_const(last) == extent_of(own[0]) - 1:
            return False
        fresh = {one.var: tirx.Var(one.var.name, "int32") for one in own}
        known = values | fresh
        unknowns = [(fresh[one.var], extent_of(one)) for one in own]
        tests = [tir.substitute(test, known) for test in other.guard]
        index = tir.substitute(other.store.index, known)
        solution = solve(index, search.index, unknowns, analyzer, tests)
        if solution is None:
            return True
        at = solution.values.get(fresh[own[0].var])
        if at is None:
            return True
        tests = [tir.substitute(test, solution.values) for test in tests]
        return not _never([at > last, *solution.conditions, *tests], analyzer)

    def _left(
        self,
        write: Write,
        position: int,
        search: _Search,
        solution: Solution,
        values: dict[Var, Expr],
    ) -> tuple[Expr, tuple[Expr, ...]]:
        """What a loop leaves in which another iteration may be the one that counts."""
        value, tests = self.register.left(write, position + 1, search.index, values)
        return value, (*solution.conditions, *tests)

    def _is_over(self, write: Write, search: _Search, depth: int, back: int) -> bool:
        """Whether no iteration more than `back` before the read's stored to the element."""
        loop = write.loops[depth - 1]
        if extent_of(loop) == 1 or search.analyzer.can_prove(loop.var <= back):
            return True
        return self._misses(write, search, depth - 1, {}, lambda own: own[0] < loop.var - back)

    def _misses_at(self, write: Write, search: _Search, depth: int, back: int) -> bool:
        """Whether the iteration `back` before the read's did not store to the element."""
        var = search.at.loops[depth - 1].var
        return self._misses(write, search, depth, {var: var - back}, lambda _: var >= back)

    def _misses(
        self,
        write: Write,
        search: _Search,
        depth: int,
        moved: dict[Var, Expr],
        when: Callable[[list[Expr]], Expr],
    ) -> bool:
        """Whether no iteration of the loops after `depth` for which `when` holds stored to the
        element; of those before, the iteration is the read's, but for what `moved` says."""
        analyzer = search.analyzer
        fresh = {one.var: tirx.Var(one.var.name, "int32") for one in write.loops[depth:]}
        unknowns = [(fresh[one.var], extent_of(one)) for one in write.loops[depth:]]
        names = {**moved, **fresh}
        guard = [tir.substitute(test, names) for test in write.guard]
        index = analyzer.simplify(tir.substitute(write.store.index, names))
        solution = solve(index, search.index, unknowns, analyzer, guard)
        if solution is None:
            return False
        own = [solution.values.get(var, var) for var, _ in unknowns]
        tests = [tir.substitute(test, solution.values) for test in guard]
        for var, extent in unknowns:
            if var not in solution.values:
                tests += [var >= 0, var < extent]
        together = [when(own), *solution.conditions, *tests]
        return _never(together, analyzer) or proved(negated(tir.conjunction(together)), analyzer)


def _never(conditions: list[Expr], analyzer: Any) -> bool:
    """Whether the conditions cannot hold together."""
    simple = [analyzer.simplify(condition) for condition in conditions]
    if any(tir.as_const(condition) == 0 for condition in simple):
        return True
    if not simple:
        return False
    none = negated(tir.conjunction(simple))
    if any(map(divisions, simple)):  # as of the slots of a buffer that are filled in turn
        return proved(none, analyzer)
    return bool(analyzer.can_prove(none))


def _carried(search: _Search) -> Circular:
    return Circular(
        f"an iteration of a loop uses {search.buffer.name!r} as an earlier one left it",
        search.at.store.span,
    )
