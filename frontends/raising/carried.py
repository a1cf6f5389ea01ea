"""What loops carry: elements at the start of each iteration, as others read them.

The reads of one element are one `Carried`; what it holds before the loop and what an iteration
leaves are traced back once all stores are defined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import Loop
from .recurrences import Carried
from .refusal import Unwritten
from .tensors import knowing, simplified
from .writes import Write, extent_of

Read = Callable[[Buffer, Expr, Write, Any, int], Expr]

MOST_ELEMENTS = 64  # of one array that one loop carries


class Register:
    """The carried elements of a program. `spans` are the positions of each loop's stores."""

    def __init__(self, spans: Mapping[Loop, tuple[int, int]], made: set[Buffer]) -> None:
        self.spans = spans
        self.made = made
        self.carried: list[Carried] = []
        self._places: list[tuple[Buffer, Expr, Write, Loop]] = []
        self._resolving = False

    def holds(self, buffer: Buffer, loop: Loop) -> bool:
        """Whether a loop is known to carry an array; what carries an element is taken to carry it
        through all loops around."""
        return self._resolving or any(
            other.same_as(buffer) and where is loop for other, _, _, where in self._places
        )

    def element(self, buffer: Buffer, index: Expr, at: Write, depth: int) -> Expr:
        """`buffer[index]` at the start of an iteration of the loop at `depth` around `at`.

        Raises `Unraisable` where a loop carries too many elements.
        """
        *around, loop = at.loops[:depth]
        inside = [(one.var, extent_of(one)) for one in at.loops[depth:]] + list(at.inner)
        used = [axis for axis in inside if tir.uses(index, [axis[0]])]
        outer = [(one.var, extent_of(one)) for one in around]
        plain = {var for var, _ in (*outer, *used)}
        guard = [test for test in at.guard if set(tir.variables(test)) <= plain]
        point = (*(var for var, _ in outer), loop.var, *(var for var, _ in used))
        for (other, place, _, where), known in zip(self._places, self.carried, strict=True):
            if not other.same_as(buffer) or where is not loop or len(known.inner) != len(used):
                continue
            own = {var: theirs for (var, _), (theirs, _) in zip(used, known.inner, strict=True)}
            alike = [extent for _, extent in used] == [extent for _, extent in known.inner]
            tests = [tir.substitute(test, own) for test in guard]
            if (
                alike
                and tir.same(tir.substitute(index, own), place)
                and len(tests) == len(known.guard)
                and all(map(tir.same, tests, known.guard))
            ):
                return known.buffer[point]
        own = {var: tirx.Var(var.name, "int32") for var, _ in used}
        one = Carried(
            tirx.decl_buffer([1], buffer.dtype, buffer.name),
            tuple(outer),
            (loop.var, extent_of(loop)),
            tuple((own[var], extent) for var, extent in used),
            tuple(tir.substitute(test, own) for test in guard),
            buffer.name,
            at.store.span,
            loop.span,
        )
        one.buffer = tirx.decl_buffer([e for _, e in one.axes], buffer.dtype, buffer.name)
        if len(self.carried) > MOST_ELEMENTS:
            raise one.refusal()
        self.made.add(one.buffer)
        self.carried.append(one)
        self._places.append((buffer, tir.substitute(index, own), at, loop))
        return one.buffer[point]

    def left(
        self, write: Write, depth: int, index: Expr, values: Mapping[Var, Expr]
    ) -> tuple[Expr, list[Expr]]:
        """What the loop at `depth` around a store leaves in the element at `index`, which the
        store reaches where the loops have `values`; and where that is known."""
        loop = write.loops[depth - 1]
        at, place = write, write.store.index
        buffer = write.store.buffer
        values = {**values, loop.var: tir.const(extent_of(loop), "int32")}
        if tir.uses(place, [loop.var]):  # an element that each iteration sees at one index
            place = tirx.Var("element", "int32")
            inner = ((place, int(buffer.shape[0])),)
            at = replace(write, loops=write.loops[:depth], inner=inner)
            values[place] = index
        found = self.element(buffer, place, at, depth)
        one = next(one for one in self.carried if one.buffer.same_as(found.source))
        one.is_read_after = True
        known = set(tir.variables(found)) - {loop.var}
        tests = [test for test in write.guard if set(tir.variables(test)) <= known]
        return tir.substitute(found, values), [tir.substitute(test, values) for test in tests]

    def resolve(self, read: Read) -> list[Carried]:
        """Every carried element with its first value and what iterations leave.

        `read` traces `buffer[index]` back from a place in the program.
        """
        self._resolving = True
        done = 0
        while done < len(self.carried):
            buffer, index, at, loop = self._places[done]
            one = self.carried[done]
            done += 1
            around = tuple(at.loops[: len(one.outer)])
            start, end = self.spans[loop]
            zero, following = tir.const(0, "int32"), loop.var + 1
            first = tir.substitute(index, {loop.var: zero})
            place = Write(at.store, around, one.guard, at.private, start, inner=one.inner)
            try:
                one.first = _read(buffer, first, place, read)
            except Unwritten:  # then no iteration may depend on it
                one.first = tir.const(0, buffer.dtype)
            later = tir.substitute(index, {loop.var: following})
            place = replace(place, loops=(*around, loop), position=end)
            one.later = _read(buffer, later, place, read)
            moves = tir.uses(index, [loop.var])
            if moves and not (isinstance(one.later, tir.Load) and one.later.source in self.made):
                raise one.refusal()
        return self.carried


def _read(buffer: Buffer, index: Expr, at: Write, read: Read) -> Expr:
    with knowing(at.axes, at.guard) as analyzer:
        index = analyzer.simplify(index)
        return simplified(analyzer, read(buffer, index, at, analyzer, at.position))
