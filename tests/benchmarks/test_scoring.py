"""Scores of translations: rows, tables, what is kept of a run, and kernels of other people's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from xpiler_tvm.errors import CheckError, EmitError

from .support import script

corpus = script("corpus")
rows_ = corpus.module("scoring.rows")
tables = corpus.module("scoring.tables")
chart = corpus.module("scoring.chart")
external = corpus.module("scoring.external")
running = corpus.module("scoring.running")


def row(target: str = "hip", **about: object):  # type: ignore[no-untyped-def]
    made = rows_.Row("cuda", "add", "add.cu", "64", False, target, rung="blocks")
    return replace(made, **about)


ROWS = [
    row(built=True, clean=True, numpy=True, back=True, proved=3, obligations=4, seconds=2.0),
    row(outcome="refused", code="XP3001", reason="no rule applies", rung="", emitted=False),
    row("bang", clean=False, findings="race: a | b"),
    row("bang", clean=True, numpy=False, findings="1 of 64 elements of c differ"),
]


def printed(table: object) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_a_kernel_is_made_compiled_run_and_read() -> None:
    case = corpus.entries("vnni", operators={"add"})[0].cheapest()
    job = rows_.Job(rows_.of_corpus(case), ("vnni",), read_back=True)
    (found,) = rows_.examine(job)
    assert (found.outcome, found.built, found.clean) == ("right", True, True)
    assert (found.numpy, found.back, found.right) == (True, True, True)
    assert found.kernel == str(case) and not found.reason and found.compiler == "g++"
    assert 0 < found.proved <= found.obligations and found.seconds > 0


def test_a_wrong_result_is_no_refusal() -> None:
    refused = rows_.refused(row(), EmitError("XP4001", "no type"))
    wrong = rows_.refused(row(), CheckError("XP5001", "y differs"))
    assert (refused.outcome, wrong.outcome) == ("refused", "wrong")
    assert refused.reason == "no type"
    assert [running.is_bad(one) for one in (refused, wrong, *ROWS)] == [
        False,
        True,
        False,
        False,
        True,
        True,
    ]


def test_tables() -> None:
    summary = printed(tables.summary(ROWS))
    (hip,) = (line for line in summary.splitlines() if "cuda -> hip" in line)
    assert hip.count("1/2") == 2 and "75.0 %" in hip
    misses = printed(tables.misses(ROWS))
    assert "no rule applies" in misses and "has findings" in misses
    assert "race: a | b" in misses and "differs from numpy" in misses
    assert not tables.shortfall(ROWS[0])


def test_markdown_has_published_numbers_and_every_miss() -> None:
    text = tables.accuracy(ROWS)
    assert "| cuda -> hip | 2 |" in text and "50.0 % | 100.0 % | 85.7 % (hipify) |" in text
    assert "| cuda -> bang | 2 |" in text and "0.0 % | 91.7 % | - |" in text
    missed = tables.shortfalls(ROWS)
    assert r"race: a \| b" in missed and "XP3001" in missed
    assert tables.shortfalls(ROWS[:1]) == "Nothing.\n"


def test_all_is_only_all() -> None:
    assert tables.share(9999, 10000) == "99.9 %"
    assert (tables.share(2, 2), tables.share(0, 0)) == ("100 %", "-")


def test_heat_map_has_a_cell_for_each_operator_and_direction() -> None:
    picture = chart.heat_map([*ROWS, row(operator="<gemm>")])
    assert picture.count("<title>") == 4
    assert "add, cuda → hip: 1 of 2 right" in picture and "&lt;gemm&gt;" in picture
    assert chart._UNKNOWN in picture


@pytest.mark.parametrize("reduced", [False, True])
def test_reduced_shapes_are_told(reduced: bool) -> None:
    name = "layernorm" if reduced else "add"
    entry = corpus.entries("cuda", operators={name}, full=not reduced)[0]
    some = entry.at(next(reversed(entry.shapes)))
    full = corpus.entries("cuda", operators={name}, full=True)[0].shapes.values()
    assert rows_.of_corpus(some).reduced == (entry.shapes[some.shape_name] not in full)


def test_rows_are_kept_and_crashes_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "rows.jsonl"
    assert rows_.kept(file) == []
    rows_.keep(file, ROWS[:2])
    rows_.keep(file, [row("vnni", outcome="crash", emitted=None)])
    assert rows_.kept(file) == ROWS[:2]


# ---------------------------------------------------------------- kernels of other people's

ADD = """__global__ void twice(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = 2.0f * x[i];
}
"""
ABOUT = {
    "path": "twice.cu",
    "dialect": "cuda",
    "entry": "twice",
    "params": [
        {"name": "x", "dtype": "float32", "shape": [100]},
        {"name": "y", "dtype": "float32", "shape": [100], "intent": "out"},
        {"name": "n", "dtype": "int32", "value": 100},
    ],
    "launch": {"grid": [2], "block": [64]},
    "reference": "means.py:twice",
}


def manifest(folder: Path, **about: object) -> Path:
    (folder / "twice.cu").write_text(ADD)
    (folder / "means.py").write_text(
        "def twice(x): return {'y': 2 * x}\ndef thrice(x): return {'y': 3 * x}\n"
    )
    file = folder / "kernels.json"
    file.write_text(json.dumps([{**ABOUT, **about}]))
    return file


@pytest.mark.parametrize(("function", "agrees"), [("twice", True), ("thrice", False)])
def test_a_manifest_is_scored(tmp_path: Path, function: str, agrees: bool) -> None:
    (subject,) = external.subjects(tmp_path, manifest(tmp_path, reference=f"means.py:{function}"))
    assert str(subject) == "cuda/twice.cu@100"
    (found,) = rows_.examine(rows_.Job(subject, ("hip",)))
    assert (found.outcome, found.numpy, found.right) == ("right", agrees, agrees)


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"dialect": "metal"}, "there is no dialect 'metal'"),
        ({"path": "none.cu"}, "none.cu"),
        ({"params": [{"dtype": "float32", "shape": [3]}]}, "'name' is missing"),
        ({"params": [{"name": "x", "dtype": "float3", "shape": [3]}]}, "float3"),
        ({"launch": {"blocks": [1]}}, "blocks"),
        ({"reference": "means.py:none"}, "'none' is missing"),
    ],
)
def test_a_manifest_that_cannot_be_is_told(tmp_path: Path, about: object, says: str) -> None:
    with pytest.raises(corpus.CorpusError, match=says):
        external.subjects(tmp_path, manifest(tmp_path, **about))
