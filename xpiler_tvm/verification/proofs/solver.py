"""Claims about one place of a program: TVM's Analyzer first, then z3.

z3 counts its own steps (`rlimit`), for each question and for a kernel as a whole, so that what is
proved does not depend on the machine.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import z3
from tvm import sym, tirx
from tvm.ir import Range

from xpiler_tvm import tir
from xpiler_tvm.frontends.values import range_of
from xpiler_tvm.kernel import Size
from xpiler_tvm.tir import Expr, Var

from .accesses import Around
from .encoding import Encoder
from .obligation import OTHER, Prover, Values, Verdict
from .points import Uncountable, happening

STEPS_OF_A_QUESTION = 60_000  # about 25 ms
STEPS_OF_A_KERNEL = 600_000


@dataclass(frozen=True)
class Answer:
    """How a claim came out; `values` are those of the variables for which it does not hold."""

    verdict: Verdict
    by: Prover = ""
    detail: str = ""
    values: Values = ()


PROVED = Answer("proved", "analyzer")


def both(one: Answer, other: Answer) -> Answer:
    """The answer to two claims together: of two proofs that which needed more than the Analyzer."""
    if one.verdict == other.verdict == "proved":
        return other if one.by == "analyzer" else one
    return other if one.verdict == "proved" else one


class Solver:
    """What is known of the variables of a kernel, and how many steps are left.

    `ids` are extents of the variables that tell threads and blocks apart, and `data` are variables
    that stand for what memory holds. The kernel's `scalars`, which are the same for all threads,
    are any number of their type unless their size is known. Variables of loops are added by `bind`.
    """

    def __init__(
        self,
        ids: Iterable[tuple[Var, Expr | int]],
        data: Mapping[Var, str],
        scalars: Mapping[Var, Size | None] | None = None,
    ) -> None:
        self.analyzer = sym.Analyzer()
        self.data = dict(data)
        self.scalars = tuple(scalars or ())
        self.sizes = {var: size for var, size in (scalars or {}).items() if size is not None}
        self._whole = ExitStack()
        # Scopes left to the garbage collector would be left in any order, which ends the process.
        weakref.finalize(self, self._whole.close)
        for var, size in self.sizes.items():
            self._bind_size(var, size)
        self.extents: dict[Var, Expr | int] = {}
        for var, extent in ids:
            self.bind(var, extent)
        self.ids = tuple(self.extents)
        self.context = z3.Context()
        self.steps = 0

    def bind(self, var: Var, extent: Expr | int) -> None:
        """Notes that a variable counts from 0 to an extent, where control comes to it."""
        if var not in self.extents:
            known = extent if isinstance(extent, int) else tir.as_const(extent)
            self.extents[var] = extent if known is None else known
            self.analyzer.bind(var, Range(0, extent))

    def _bind_size(self, var: Var, size: Size) -> None:
        least, most = self._limits(size)
        self.analyzer.bind(var, Range(least, most + 1))
        if size.multiple > 1:
            whole = tirx.EQ(tirx.floormod(var, size.multiple), 0)
            self._whole.enter_context(self.analyzer.constraint_scope(whole))

    def _limits(self, size: Size) -> tuple[int, int]:
        return size.least, tir.INT32_MAX if size.most is None else size.most

    def most(self, var: Var) -> int:
        """As many values as a variable may take from 0 on, where it has an extent."""
        extent = self.extents.get(var, 1 << 31)
        return extent if isinstance(extent, int) else max(1, self.bounds(extent)[1])

    # ------------------------------------------------------------ one thread

    def bounds(self, expr: Expr) -> tuple[int, int]:
        return tir.bounds(self.analyzer, expr)

    @contextmanager
    def within(self, around: Around) -> Iterator[Any]:
        """The analyzer, inside knowing the tests around a place."""
        with ExitStack() as stack:
            for test in around.tests:
                for part in tir.conjuncts(test):
                    if _is_about_integers(part):
                        stack.enter_context(self.analyzer.constraint_scope(part))
            yield self.analyzer

    def holds(self, claim: Expr, around: Around) -> Answer:
        """Whether a claim is true whenever control comes to the place."""
        with self.within(around) as analyzer:
            if analyzer.can_prove(claim):
                return PROVED
        encoder = Encoder(self.context, {})
        facts = [*self.place(encoder, around), z3.Not(encoder.test(claim)), *self.ranges(encoder)]
        answer = self.answer(self.ask(facts), [encoder])
        if answer.verdict == "unknown":
            return self._counted(claim, around) or answer
        return answer

    def _counted(self, claim: Expr, around: Around) -> Answer | None:
        """The answer from all points; `None` where these are too many or rest on data."""
        try:
            points, taken = happening(around, [claim], self.most)
            wrong = taken[~points.all(claim)[taken]]
        except Uncountable:
            return None
        if not len(wrong):
            return Answer("proved", "enumeration")
        return Answer("refuted", "enumeration", values=points.at(int(wrong[0])))

    # ------------------------------------------------------------ z3

    def two_threads(self, alike: Iterable[Var] = ()) -> tuple[Encoder, Encoder]:
        """Encoders for two threads, or two iterations, which have only `alike` variables and the
        kernel's scalars in common. Names of the second one's variables end in `'`."""
        first = Encoder(self.context, {})
        shared = {var: first.number(var) for var in (*self.scalars, *alike)}
        return first, Encoder(self.context, shared, OTHER)

    def place(self, encoder: Encoder, around: Around) -> list[Any]:
        """What holds at a place: loops are inside their ranges, tests are true."""
        facts = []
        for var, extent in around.loops:
            at = encoder.number(var)
            facts += [at >= 0, at < encoder.number(extent)]
        return facts + [encoder.test(test) for test in around.tests]

    def ranges(self, encoder: Encoder) -> list[Any]:
        """The ranges of all variables that an encoder has met, but of loops: one that has no rounds
        says nothing about other places."""
        facts = []
        for var in self.ids:
            if var in encoder.places:
                facts += self.inside(encoder, var)
        for var, at in encoder.places.items():
            if var in self.sizes:
                low, high = self._limits(self.sizes[var])
                facts += [at >= low, at <= high, at % self.sizes[var].multiple == 0]
            elif var not in self.extents:
                low, high = range_of(tir.dtype_of(var))
                facts += [at >= low, at <= high]
        return facts

    def inside(self, encoder: Encoder, var: Var) -> list[Any]:
        """That a variable is in its range."""
        at = encoder.number(var)
        return [at >= 0, at < encoder.number(tir.as_expr(self.extents[var]))]

    def ask(self, facts: Sequence[Any]) -> Any:
        """A model in which all facts hold; `None` where they contradict each other, and `UNDECIDED`
        where z3 does not know within its limit."""
        if self.steps >= STEPS_OF_A_KERNEL:
            return UNDECIDED
        solver = z3.Solver(ctx=self.context)
        solver.set("rlimit", min(STEPS_OF_A_QUESTION, STEPS_OF_A_KERNEL - self.steps))
        solver.add(*facts)
        found = solver.check()
        self.steps = int(solver.statistics().get_key_value("rlimit count"))
        if found == z3.unsat:
            return None
        return solver.model() if found == z3.sat else UNDECIDED

    def answer(self, model: Any, encoders: Sequence[Encoder]) -> Answer:
        """What a model of the contrary says of a claim: a counterexample, unless it rests on data
        or on what had no form."""
        if model is None:
            return Answer("proved", "z3")
        if model is UNDECIDED:
            return Answer("unknown", detail="z3 did not come to an end")
        doubt = self.doubt([var for encoder in encoders for var in encoder.places])
        if doubt:
            return Answer("unknown", detail=doubt)
        if any(encoder.guessed for encoder in encoders):
            return Answer("unknown", detail="a test here has no form in integers")
        return Answer("refuted", "z3", values=values_of(model, encoders))

    def doubt(self, names: Iterable[Var]) -> str:
        """Why variables may never have the values that a model gives them; empty without reason."""
        names = list(names)
        data = sorted({self.data[var] for var in names if var in self.data})
        if data:
            return f"it rests on what {', '.join(data)} holds"
        free = [var.name for var in names if var in self.scalars and var not in self.sizes]
        return f"it rests on {free[0]}, which has no value" if free else ""


UNDECIDED = object()


def values_of(model: Any, encoders: Sequence[Encoder]) -> Values:
    """The values of variables in a model, those of a second thread with its tag."""
    found: dict[str, int] = {}
    for encoder in encoders:
        for var, at in encoder.places.items():
            tag = encoder.tag if str(at).endswith(encoder.tag) else ""
            value = model.eval(at, model_completion=True).as_long()
            found.setdefault(f"{var.name}{tag}", value)
    return tuple(found.items())


def _is_about_integers(test: Expr) -> bool:
    return all(tir.is_int(side) for side in tir.compared(test))


__all__ = ["PROVED", "UNDECIDED", "Answer", "Solver", "both", "values_of"]
