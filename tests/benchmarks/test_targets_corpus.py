"""The corpus for every target: its tables, and what it says of kernels that do not come out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from xpiler_tvm.errors import CheckError, EmitError

from .support import script

corpus = script("corpus")
targets_corpus = script("targets_corpus")


def row(target: str = "hip", **about: object):  # type: ignore[no-untyped-def]
    made = targets_corpus.Row("cuda", "add", "add.cu", "64", False, target, rung="blocks")
    return replace(made, **about)


def printed(table: object) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_a_kernel_is_made_compiled_run_and_read() -> None:
    case = corpus.entries("vnni", operators={"add"})[0].cheapest()
    (found,) = targets_corpus.examine(targets_corpus.Job(case, ("vnni",), read_back=True))
    assert (found.outcome, found.built, found.clean, found.read) == ("right", True, True, True)
    assert found.kernel == str(case) and not found.reason


def test_a_wrong_result_is_no_refusal() -> None:
    refused = targets_corpus._refused(row(), EmitError("XP4001", "no type"))
    wrong = targets_corpus._refused(row(), CheckError("XP5001", "y differs"))
    assert (refused.outcome, wrong.outcome) == ("refused", "wrong")
    assert refused.reason == "no type"


def test_tables() -> None:
    rows = [
        row(built=True, clean=True, read=True),
        row(outcome="refused", code="XP3001", reason="no rule applies", rung=""),
        row("bang", clean=False, findings="race: twice"),
    ]
    summary = printed(targets_corpus.summary(rows))
    (hip,) = (line for line in summary.splitlines() if "cuda -> hip" in line)
    assert "1 (50%)" in hip and "1 of 1" in hip
    misses = printed(targets_corpus.misses(rows))
    assert "no rule applies" in misses and "race: twice" in misses and "not clean" in misses


@pytest.mark.parametrize("reduced", [False, True])
def test_reduced_shapes_are_told(reduced: bool) -> None:
    name = "layernorm" if reduced else "add"
    entry = corpus.entries("cuda", operators={name}, full=not reduced)[0]
    some = entry.at(next(reversed(entry.shapes)))
    found = targets_corpus.Job(some, ("hip",), read_back=False).row("hip")
    assert found.reduced == (some.entry.shapes[some.shape_name] not in full_shapes(name))


def full_shapes(name: str) -> list[object]:
    return list(corpus.entries("cuda", operators={name}, full=True)[0].shapes.values())
