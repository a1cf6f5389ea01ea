"""z3 for integers: what a hole has to be, from samples of what it should come to.

The grammar of an answer is that of `holes.Fill`, from a summand to

    (times * e + scale * x * y + weight * z + plus) / divide % modulo

in this order, so that the first answer is the nearest to the text. Solving is guided by
counterexamples: a few samples are given to z3, its answer is tried on all of them, and one on which
it fails is added. z3 works under a limit of resources and not of time, so answers do not depend on
the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from typing import Any, Literal

import numpy as np
import z3

from .holes import Fill

Verdict = Literal["solved", "unsatisfiable", "out of budget"]

RESOURCES = 2_000_000
"""What z3 may use for one form of the grammar."""
_FIRST, _ROUNDS = 4, 16
_LARGEST = 1 << 24


@dataclass(frozen=True, eq=False)
class Samples:
    """What an expression is made of and should be, a line each.

    `values` is what the site held, `operands` has a column for each operand of a `Fill`, `wanted`
    is what should have stood there.
    """

    values: np.ndarray
    operands: np.ndarray
    wanted: np.ndarray


@dataclass(frozen=True)
class Answer:
    """A fill that is right on all samples, or why there is none."""

    verdict: Verdict
    fill: Fill | None = None


@dataclass(frozen=True)
class _Form:
    """A part of the grammar: which unknowns are free, and the divisor and modulus."""

    factor: bool = False
    summand: bool = False
    square: bool = False
    divide: int = 1
    modulo: int = 0


def solve(samples: Samples, numbers: Sequence[int], resources: int = RESOURCES) -> Answer:
    """The nearest fill that is right on all samples; `numbers` are divisors that may be needed."""
    verdict: Verdict = "unsatisfiable"
    for form in _forms(numbers):
        answer = _solve(samples, form, resources)
        if answer.fill is not None:
            return answer
        if answer.verdict == "out of budget":
            verdict = "out of budget"
    return Answer(verdict)


def _forms(numbers: Sequence[int]) -> list[_Form]:
    plain = [
        _Form(),
        _Form(factor=True),
        _Form(summand=True),
        _Form(square=True),
        _Form(factor=True, summand=True),
        _Form(factor=True, summand=True, square=True),
    ]
    divisors = [one for one in numbers if one > 1][:8]
    parts = [(one, 0) for one in divisors] + [(1, one) for one in divisors]
    parts += list(product(divisors, divisors))[:16]
    return plain + [_Form(True, True, False, divide, modulo) for divide, modulo in parts]


def _solve(samples: Samples, form: _Form, resources: int) -> Answer:
    # Columns that never change are constants, and `plus` stands for these.
    columns = [at for at in range(1, samples.operands.shape[1]) if np.ptp(samples.operands[:, at])]
    unknown = _Unknowns(columns, form)
    solver = z3.Solver()
    solver.set("rlimit", resources)
    solver.add(*unknown.limits())
    count = len(samples.wanted)
    chosen = sorted({at * (count - 1) // max(1, _FIRST - 1) for at in range(_FIRST)})
    for at in chosen:
        solver.add(*unknown.equation(samples, at))
    for _ in range(_ROUNDS):
        found = solver.check()
        if found == z3.unsat:
            return Answer("unsatisfiable")
        if found != z3.sat:
            return Answer("out of budget")
        fill = unknown.fill(solver.model())
        wrong = np.flatnonzero(evaluate(fill, samples) != samples.wanted)
        if not wrong.size:
            return Answer("solved", fill)
        solver.add(*unknown.equation(samples, int(wrong[0])))
    return Answer("out of budget")


def evaluate(fill: Fill, samples: Samples) -> np.ndarray:
    """What a fill without an operator comes to on all samples."""
    operands = samples.operands
    value = fill.times * samples.values + fill.plus
    value = value + fill.scale * operands[:, fill.x] * operands[:, fill.y]
    value = value + fill.weight * operands[:, fill.z]
    if fill.divide > 1:
        value = (np.abs(value) // fill.divide) * np.sign(value)
    return np.fmod(value, fill.modulo) if fill.modulo else value


class _Unknowns:
    """The integers that z3 looks for, in one form of the grammar."""

    def __init__(self, columns: Sequence[int], form: _Form) -> None:
        self.form = form
        self.times = z3.Int("times")
        self.plus = z3.Int("plus")
        names = columns if form.summand else []
        self.weights = {at: z3.Int(f"weight{at}") for at in names}
        pairs = combinations_with_replacement(columns, 2) if form.square else []
        self.scales = {pair: z3.Int(f"scale{pair[0]}_{pair[1]}") for pair in pairs}
        self.fresh = 0

    def limits(self) -> list[Any]:
        """Bounds; at most one summand and one product of each kind."""
        found = [self.plus > -_LARGEST, self.plus < _LARGEST]
        low, high = (0, 8) if self.form.factor else (1, 1)
        found += [low <= self.times, self.times <= high]
        for group in (self.weights, self.scales):
            some = list(group.values())
            found += [z3.And(one > -_LARGEST, one < _LARGEST) for one in some]
            if len(some) > 1:
                found.append(z3.AtMost(*(one != 0 for one in some), 1))
        return found

    def equation(self, samples: Samples, at: int) -> list[Any]:
        """That the expression is what it should be on one sample."""
        row, wanted = samples.operands[at], int(samples.wanted[at])
        value: Any = self.times * int(samples.values[at]) + self.plus
        for column, weight in self.weights.items():
            value = value + weight * int(row[column])
        for (one, other), scale in self.scales.items():
            value = value + scale * int(row[one] * row[other])
        if self.form.modulo:
            self.fresh += 1
            rounds = z3.Int(f"rounds{self.fresh}")
            least = wanted + rounds * self.form.modulo
            in_range = [rounds >= 0, z3.BoolVal(0 <= wanted < self.form.modulo)]
        else:
            least, in_range = z3.IntVal(wanted), []
        divide = self.form.divide
        between = [value >= least * divide, value < (least + 1) * divide]
        return [*in_range, value >= 0, *between] if divide > 1 or self.form.modulo else between

    def fill(self, model: Any) -> Fill:
        """The answer of a model."""

        def number(of: Any) -> int:
            return int(model.eval(of, model_completion=True).as_long())

        scale, x, y, weight, z = 0, 0, 0, 0, 0
        for at, one in self.weights.items():
            if number(one):
                weight, z = number(one), at
        for (first, second), one in self.scales.items():
            if number(one):
                scale, x, y = number(one), first, second
        return Fill(
            number(self.times),
            scale,
            x,
            y,
            weight,
            z,
            number(self.plus),
            self.form.divide,
            self.form.modulo,
        )
