"""Cases in processes of their own: each ends as what it was."""

from __future__ import annotations

import os
import signal

import pytest

from .support import script

answers = script("children").answers


def work(case: str) -> str | None:
    if case == "nothing":
        return None
    if case == "leaves":
        os._exit(0)
    if case == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if case == "fails":
        raise ValueError("of no use")
    return case


@pytest.mark.parametrize(
    ("case", "value", "ended"),
    [
        ("something", "something", ""),
        ("nothing", None, ""),
        ("leaves", None, "the process ended with 0"),
        ("killed", None, "the process ended with -9"),
    ],
)
def test_a_case(case: str, value: str | None, ended: str) -> None:
    (answer,) = answers([case], work, seconds=20)
    assert (answer.case, answer.value, answer.ended) == (case, value, ended)


def test_an_error_is_told_with_its_place() -> None:
    (answer,) = answers(["fails"], work, seconds=20)
    assert answer.ended.strip().endswith("ValueError: of no use")
    assert "in work" in answer.ended


def test_all_cases_are_answered() -> None:
    cases = ["a", "nothing", "b", "leaves", "c"]
    assert sorted(answer.case for answer in answers(cases, work, seconds=20, jobs=2)) == sorted(
        cases
    )
