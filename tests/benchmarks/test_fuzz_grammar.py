"""The grammar of random kernels, their draws, and how a case is made small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from .support import script

choices = script("fuzzing.choices")
fuzz = script("fuzz")
judging = script("fuzzing.judging")
kept = script("fuzzing.kept")
kernels = script("fuzzing.kernels")
terms = script("fuzzing.terms")

INT, UNSIGNED, FLOAT = terms.INT, terms.UNSIGNED, terms.FLOAT


def test_a_seed_makes_one_program() -> None:
    one, same, other = (kernels.program(choices.Choices(seed), "cuda") for seed in ("a", "a", "b"))
    assert one.kernel == same.kernel
    assert one.kernel.source != other.kernel.source


@pytest.mark.parametrize("dialect", ["cuda", "hip", "vnni", "bang"])
def test_draws_make_the_program_again(dialect: str) -> None:
    drawn = choices.Choices("seed")
    first = kernels.program(drawn, dialect)
    assert kernels.program(choices.Choices(given=drawn.draws), dialect).kernel == first.kernel
    assert kernels.program(choices.Choices(), dialect).kernel.source  # of zeros alone


def test_any_draws_make_a_program() -> None:
    for number in range(300):
        drawn = choices.Choices(f"any {number}")
        kernels.program(drawn, "cuda")
        start, end = drawn.spans[number % len(drawn.spans)]
        kernels.program(choices.Choices(given=drawn.draws[:start] + drawn.draws[end:]), "cuda")


def test_arithmetic_that_c_leaves_open_is_not_made() -> None:
    big = terms.Term("x", INT, -(1 << 31), (1 << 31) - 1)
    one = terms.literal(1, INT)
    assert terms.arithmetic("+", big, one) is None
    assert terms.arithmetic("/", big, terms.Term("y", INT, -1, 5)) is None
    assert terms.arithmetic("<<", terms.Term("y", INT, -1, 5), one) is None
    wide = terms.Term("u", UNSIGNED, *UNSIGNED.range)
    assert terms.arithmetic("+", wide, one) == terms.Term("(u + 1)", UNSIGNED, *UNSIGNED.range)


def test_floats_stay_exact() -> None:
    x = terms.Term("x", FLOAT, -4, 4, 2)
    product = terms.arithmetic("*", x, x)
    assert (product.low, product.high, product.grain) == (-16, 16, 4)
    fine = replace(x, grain=20)
    assert terms.arithmetic("*", fine, fine) is None


def test_shrinking_leaves_what_matters() -> None:
    def make(drawn: object) -> list[int]:
        return [drawn.between(0, 99) for _ in drawn.parts(20)]  # type: ignore[attr-defined]

    start = choices.Choices("long")
    assert any(value > 50 for value in make(start))
    small = choices.shrunk(start.draws, lambda c: any(v > 50 for v in make(c)), make, 10)
    (left,) = [value for value in make(choices.Choices(given=small)) if value]
    assert left > 50


def test_a_kept_program_is_the_same(tmp_path: Path) -> None:
    program = kernels.program(choices.Choices("kept"), "hip")
    path = kept.keep(tmp_path, program, "hip-1-2", judging.Verdict("wrong", "y[0] is 1"))
    again = kept.load(path)
    assert path.name == "hip_1_2.hip"
    assert again.kernel.params == program.kernel.params
    assert again.kernel.launch == program.kernel.launch
    assert again.kernel.source.endswith(program.kernel.source)
    assert again.seed == program.seed


def test_what_ends_a_process_is_a_verdict() -> None:
    def gone(case: str, ended: str) -> str:
        return fuzz.verdict_of(fuzz.Answer(case, None, ended)).outcome

    assert gone("a", "the process ended with -24") == "timeout"
    assert gone("a", "the process ended with -11") == "crash"
    assert gone("a", 'File "x/fuzzing/terms.py", line 3\nAssertionError') == "faulty"
