"""The operator grid's kernels do what numpy does, and their manifests say what is so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.support import script

from xpiler_tvm.kernel import DIALECTS, SUFFIXES, Dialect

corpus = script("corpus")
reading = script("read_corpus")

ENTRIES = [entry for dialect in DIALECTS for entry in corpus.entries(dialect)]
OPERATORS = corpus.module("operators.references").OPERATORS
each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


@each_entry
def test_text_does_what_numpy_does(entry: corpus.Entry) -> None:
    case = entry.cheapest()
    inputs = case.inputs(seed=3)
    assert case.wrong(case.run(inputs).arrays, inputs) == ""


@each_entry
def test_every_shape_has_a_kernel_with_the_operands(entry: corpus.Entry) -> None:
    for name in entry.shapes:
        kernel = entry.at(name).kernel
        extents = entry.means.extents(entry.shapes[name])
        tensors = {tensor.name: tensor for tensor in kernel.tensors}
        for operand in entry.means.operands:
            tensor = tensors.pop(operand.name)
            assert tensor.size == corpus.value(operand.extent, extents)
            assert tensor.intent == operand.intent
            assert tensor.dtype in operand.allowed(entry.dialect)
        assert not tensors


@pytest.mark.parametrize("dialect", DIALECTS)
def test_manifests_and_files_are_the_same(dialect: Dialect) -> None:
    listed = sorted(entry.name for entry in corpus.entries(dialect))
    files = (corpus.KERNELS / "operators").iterdir()
    present = sorted(path.name for path in files if SUFFIXES.get(path.suffix) == dialect)
    assert listed == present


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_operator_has_a_kernel(dialect: Dialect) -> None:
    assert {entry.operator for entry in corpus.entries(dialect)} == set(OPERATORS)


# ---------------------------------------------------------------- operators


@pytest.mark.parametrize("name", OPERATORS)
def test_shapes_are_eight_and_reduced_ones_divide_them(name: str) -> None:
    means = OPERATORS[name]
    assert len(means.shapes) == 8
    for shape in means.shapes.values():
        reduced = means.reduced(shape)
        for extent, whole in shape.items():
            part = reduced[extent]
            assert whole % part == 0 and (whole // part).bit_count() == 1
            assert part == whole or part % means.reduce[extent] == 0
        assert means.work(means.extents(reduced)) < 5 << 20


def test_reference_of_attention_is_over_heads_at_each_position() -> None:
    shape = {"B": 1, "S": 2, "H": 2, "D": 1}
    inputs = {
        "Q": np.array([0, 1, 0, 0], np.float32),
        "K": np.array([np.log(3), 0, 5, 7], np.float32),
        "V": np.array([4, 8, 1, 3], np.float32),
    }
    found = OPERATORS["mha"].reference(shape, inputs)["O"].ravel()
    np.testing.assert_allclose(found, [6, 5, 2, 2], rtol=1e-6)


def test_reference_of_integers_is_exact() -> None:
    shape = {"M": 1, "K": 2, "N": 1}
    inputs = {"A": np.array([255, 255], np.uint8), "B": np.array([-128, -128], np.int8)}
    assert OPERATORS["gemm"].reference(shape, inputs)["C"].item() == -65280


# ---------------------------------------------------------------- loader


@pytest.fixture
def case() -> corpus.Case:
    return next(iter(corpus.entries("cuda", operators={"scatter"}))).cheapest()


def test_inputs_make_sense_and_depend_on_the_seed(case: corpus.Case) -> None:
    first, second = case.inputs(seed=0), case.inputs(seed=1)
    assert len(set(first["index"])) == case.shape["COUNT"]
    assert set(first["index"]) <= set(range(case.shape["AXIS"]))
    assert not np.array_equal(first["index"], second["index"])
    assert np.array_equal(first["index"], case.inputs(seed=0)["index"])


def test_wrong_outputs_are_told(case: corpus.Case) -> None:
    inputs = case.inputs()
    right = {"y": case.reference(inputs)["y"].astype(np.float32).ravel()}
    assert case.wrong(right, inputs) == ""
    other = {"y": right["y"].copy()}
    other["y"][5] += 0.5
    assert case.wrong(other, inputs).startswith("1 of ")
    assert "y[5] is" in case.wrong(other, inputs)
    other["y"][7] = np.nan
    assert "2 of" in case.wrong(other, inputs)
    assert "has 3 elements" in case.wrong({"y": right["y"][:3]}, inputs)


@pytest.mark.parametrize(
    ("expression", "result"),
    [(7, 7), ("N/2", 3), ("-N + 2*(M - 1)", 1), ("min(N, M) % 4", 1), ("max(1, N)", 7)],
)
def test_expressions(expression: int | str, result: int) -> None:
    assert corpus.value(expression, {"N": 7, "M": 5}) == result


@pytest.mark.parametrize("expression", ["K", "N.real", "N/0", "N if M else 1", "open('x')", "(N"])
def test_other_expressions_are_refused(expression: str) -> None:
    with pytest.raises(corpus.CorpusError):
        corpus.value(expression, {"N": 7, "M": 5})


def test_manifest_without_a_macro_is_told(case: corpus.Case) -> None:
    about = {**case.entry.about, "macros": {"TILE": "2*INNER"}}
    with pytest.raises(corpus.CorpusError, match="'TILE'"):
        replace(case.entry, about=about).cheapest()


# ---------------------------------------------------------------- read_corpus


def test_a_kernel_that_is_read(case: corpus.Case) -> None:
    (row,) = reading.rows_of([case], jobs=1)
    assert row.parsed and row.flat and row.same and row.right and not row.wrong
    assert row.seconds > 0


def test_a_kernel_that_is_refused(case: corpus.Case) -> None:
    source = case.kernel.source.replace("index[k];", 'index[k]; asm("");')
    other = replace(case, kernel=replace(case.kernel, source=source))
    row = reading.examine(other)
    assert row.code == "XP1008" and row.line > 0 and not row.flat


def test_a_kernel_that_is_wrong(case: corpus.Case) -> None:
    source = case.kernel.source.replace("= updates[", "= 1.0f + updates[")
    row = reading.examine(replace(case, kernel=replace(case.kernel, source=source)))
    assert row.same and row.right is False and "numpy has" in row.wrong


def test_a_process_that_dies_is_a_row(case: corpus.Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(case: corpus.Case) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(reading, "examine", die)
    (row,) = reading.rows_of([case], jobs=1)
    assert row.wrong == "the process ended with 3"


def test_command_writes_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.json"
    argv = ["read_corpus", "--dialect", "cuda", "--operators", "concat", "--json", str(file)]
    monkeypatch.setattr("sys.argv", argv)
    assert reading.main() == 0
    assert "concat" in capsys.readouterr().out
    assert [row["name"] for row in json.loads(file.read_text())] == ["concat.cu"]
