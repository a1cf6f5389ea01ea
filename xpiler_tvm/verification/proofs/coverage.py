"""Every element of an output is stored to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import z3
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.frontends.raising.invert import solve
from xpiler_tvm.tir import Buffer, Expr

from .accesses import Around
from .encoding import Encoder
from .obligation import Obligation, Prover
from .points import Uncountable, happening
from .solver import PROVED, UNDECIDED, Answer, Solver

MOST_ELEMENTS = 1 << 20


@dataclass(frozen=True, eq=False)
class Fill:
    """Elements `index` of a flat array are stored to at a place: the `whole` array where each axis
    of a block is one of the array's."""

    index: Expr
    around: Around
    whole: bool


def coverage(
    buffer: Buffer, fills: Sequence[Fill], solver: Solver, span: Span | None
) -> Obligation:
    """Whether the fills reach every element of an output; `buffer` is of any shape."""
    answer = _Coverage(buffer, fills, solver).decided()
    return Obligation(
        "coverage",
        f"all of {buffer.name}",
        answer.verdict,
        answer.by,
        answer.detail,
        answer.values,
        span,
    )


class _Coverage:
    def __init__(self, buffer: Buffer, fills: Sequence[Fill], solver: Solver) -> None:
        self.solver, self.fills = solver, fills
        self.size: Expr = tir.const(1, "int32")
        for extent in buffer.shape:
            self.size = self.size * extent
        self.element = tirx.Var("element", "int32")
        solver.bind(self.element, self.size)

    def decided(self) -> Answer:
        exact, stored = True, []
        if any(fill.whole for fill in self.fills):
            return PROVED
        for fill in self.fills:
            found = self._stored(fill)
            if found is None:
                exact = False
            elif tir.as_const(found) == 1:
                return PROVED
            else:
                stored.append(found)
        model: Any = UNDECIDED
        encoder = Encoder(self.solver.context, {})
        if stored:
            facts = [z3.Not(encoder.test(found)) for found in stored]
            facts += self.solver.inside(encoder, self.element)
            model = self.solver.ask([*facts, *self.solver.ranges(encoder)])
            if model is None:
                return Answer("proved", "z3")
        counted = self._counted()
        if counted is not None:
            return counted
        if model is UNDECIDED or not exact:
            return Answer("unknown", detail="which elements are stored is not known")
        answer = self.solver.answer(model, [encoder])
        if answer.verdict == "refuted":
            return _missing(answer.values[0][1], "z3")
        return answer

    def _stored(self, fill: Fill) -> Expr | None:
        """When the fill stores the element; `None` where that has no closed form."""
        solver = self.solver
        used = dict.fromkeys(tir.variables(fill.index))
        if any(var not in solver.extents for var in used):
            return None
        axes = [(var, solver.most(var)) for var in used]
        found = solve(solver.analyzer.simplify(fill.index), self.element, axes, solver.analyzer)
        if found is None:
            return None
        tests = list(fill.around.tests)
        for var, extent in fill.around.loops:
            if tir.as_const(extent) is None:
                tests.append(var < extent)
        tests = [tir.substitute(test, found.values) for test in tests]
        if any(var in used or var in solver.data for t in tests for var in tir.variables(t)):
            return None
        if any(not var.same_as(self.element) for t in tests for var in tir.variables(t)):
            return None
        whole = tir.conjunction([*found.conditions, *tests])
        return solver.analyzer.simplify(whole)

    def _counted(self) -> Answer | None:
        size = tir.as_const(self.solver.analyzer.simplify(self.size))
        if size is None or size > MOST_ELEMENTS:
            return None
        stored = np.zeros(size, bool)
        try:
            for fill in self.fills:
                points, taken = happening(fill.around, [fill.index], self.solver.most)
                elements = points.all(fill.index)[taken]
                stored[elements[(elements >= 0) & (elements < size)]] = True
        except Uncountable:
            return None
        if stored.all():
            return Answer("proved", "enumeration")
        return _missing(int(np.argmin(stored)), "enumeration")


def _missing(element: int, by: Prover) -> Answer:
    return Answer("refuted", by, f"nothing stores to element {element}", (("element", element),))


__all__ = ["Fill", "coverage"]
