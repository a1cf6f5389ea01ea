"""z3 finds what an index has to be, the nearest form first, or says that there is none."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.synthesis.holes import NAMES, PARTS, Fill
from xpiler_tvm.synthesis.solving import Samples, evaluate, solve

_I, _J = 1 + PARTS, 2 + PARTS
_NUMBERS = [7, 21, 37]


def _samples(value: str, wanted: str) -> Samples:
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, 37, 300), rng.integers(0, 21, 300)
    operands = np.zeros((300, 1 + PARTS + NAMES), np.int64)
    operands[:, 0], operands[:, _I], operands[:, _J] = 1, i, j
    names = {"i": i, "j": j}
    return Samples(eval(value, names), operands, eval(wanted, names))


@pytest.mark.parametrize(
    ("value", "wanted", "fill"),
    [
        ("i * 21 + j + 3", "i * 21 + j", Fill(plus=-3)),
        ("i * 20 + j", "i * 21 + j", Fill(weight=1, z=_I)),
        ("i", "3 * i", Fill(times=3)),
        ("j", "i * i + j", Fill(scale=1, x=_I, y=_I)),
    ],
)
def test_the_nearest_form(value: str, wanted: str, fill: Fill) -> None:
    assert solve(_samples(value, wanted), _NUMBERS).fill == fill


@pytest.mark.parametrize(("value", "wanted"), [("i", "(i * 3 + j) // 7"), ("i", "(i + j) % 21")])
def test_divisions_and_remainders(value: str, wanted: str) -> None:
    samples = _samples(value, wanted)
    answer = solve(samples, _NUMBERS)
    assert answer.fill is not None
    assert (evaluate(answer.fill, samples) == samples.wanted).all()


def test_none_is_told_from_no_budget() -> None:
    samples = _samples("i", "i * i * i + j * i * j")
    assert solve(samples, []).verdict == "unsatisfiable"
    assert solve(_samples("i", "(i * 3 + j) // 7"), _NUMBERS, 10).verdict == "out of budget"
