"""The mutation score's own parts: mutators, judges, the table of equivalents, the command."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest

from xpiler_tvm.kernel import Dialect, Kernel

from .support import FOLDER, script

corpus = script("mutants.corpus")
equivalence = script("mutants.equivalence")
fault = script("mutants.fault")
judging = script("mutants.judging")
program_faults = script("mutants.program_faults").program_faults
report = script("mutants.report")
sampling = script("mutants.sampling")
text_faults = script("mutants.text_faults").text_faults

CUDA = """__global__ void k(const float* x, const float* z, float* y, int n, int m) {
  __shared__ float s[8][9];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  int j = threadIdx.y;
  float sum = 0.0f;
  s[i][j] = x[i * m + j];
  __syncthreads();
  for (int k = 0; k < n; ++k) sum += s[j][k] * z[k];
  sum = fmaxf(sum, x[i] - z[j]);
  sum += __shfl_xor_sync(0xffffffffu, sum, 4);
  if (i < n && j < m) y[i] = sum * 0.5f;
  atomicAdd(&y[0], sum);
}
"""
BYTES = """__global__ void k(const signed char* x, int* y) {
  int v = x[0];
  y[0] = (unsigned char)v;
}
"""
BANG = """__nram__ float a[64];
__mlu_global__ void k(const float* x, float* y, int n) {
  __memcpy(a, x, n * sizeof(float), GDRAM2NRAM);
  __bang_mul_scalar(a, a, 2.0f, n);
  __memcpy(y, a, 4, NRAM2GDRAM, 16, 8, 3);
}
"""

# Kind, dialect and text, a line, and what becomes of it.
MADE = [
    ("index swapped", "cuda", "int j = threadIdx.y;", "int j = threadIdx.x;"),
    ("index swapped", "cuda", "s[i][j] = x[i * m + j];", "s[j][i] = x[i * m + j];"),
    ("transposed", "cuda", "s[i][j] = x[i * m + j];", "s[i][j] = x[j * m + i];"),
    ("barrier", "cuda", "__syncthreads();", ";"),
    ("copy", "cuda", "s[i][j] = x[i * m + j];", ";"),
    ("bound", "cuda", "k < n; ++k)", "k < n - 1; ++k)"),
    ("comparison", "cuda", "k < n; ++k)", "k <= n; ++k)"),
    ("reversed", "cuda", "if (i < n && j < m)", "if (i > n && j < m)"),
    ("guard", "cuda", "if (i < n && j < m)", "if (true)"),
    ("guard", "cuda", "if (i < n && j < m)", "if (i < n)"),
    ("initial", "cuda", "float sum = 0.0f;", "float sum = (0.0f + 1.0f);"),
    ("initial", "cuda", "for (int k = 0; k < n;", "for (int k = 1; k < n;"),
    ("stride", "cuda", "k < n; ++k)", "k < n; k += 2)"),
    ("stride", "cuda", "x[i * m + j];", "x[i * (m + 1) + j];"),
    ("max min", "cuda", "sum = fmaxf(", "sum = fminf("),
    ("plus minus", "cuda", "sum += s[j][k]", "sum -= s[j][k]"),
    ("times divide", "cuda", "s[j][k] * z[k];", "s[j][k] / z[k];"),
    ("swapped", "cuda", "x[i] - z[j]);", "(z[j]) - (x[i]));"),
    ("operand", "cuda", "x[i] - z[j]);", "x[i] - y[j]);"),
    ("constant", "cuda", "sum * 0.5f;", "sum * (0.5f * 1.25f);"),
    ("statement", "cuda", "atomicAdd(&y[0], sum);", ";"),
    ("shuffle", "cuda", "sum, 4);", "sum, 4 / 2);"),
    ("shuffle", "cuda", "__shfl_xor_sync(0xffffffffu,", "__shfl_xor_sync(0x0000ffffu,"),
    ("atomic", "cuda", "atomicAdd(&y[0], sum);", "*(&y[0]) += (sum);"),
    ("signedness", "bytes", "const signed char* x", "const unsigned char* x"),
    ("signedness", "bytes", "(unsigned char)v", "(signed char)v"),
    ("count", "bang", "n * sizeof(float), GDRAM", "n, GDRAM"),
    ("count", "bang", "2.0f, n);", "2.0f, n + 1);"),
    ("count", "bang", "16, 8, 3);", "16, 8, 3 - 1);"),
    ("stride", "bang", "16, 8, 3);", "16 + 4, 8, 3);"),
    ("copy", "bang", "__memcpy(y, a, 4, NRAM2GDRAM, 16, 8, 3);", ";"),
    ("direction", "bang", "GDRAM2NRAM);", "NRAM2GDRAM);"),
]


@lru_cache(maxsize=4)
def made(name: str) -> tuple[str, list[Any]]:
    text = {"cuda": CUDA, "bytes": BYTES, "bang": BANG}[name]
    dialect: Dialect = "bang" if name == "bang" else "cuda"
    return text, text_faults(Kernel(text, dialect, "k", filename="k.cu"))


@pytest.mark.parametrize(("kind", "name", "before", "after"), MADE)
def test_mutators_do_what_they_say(kind: str, name: str, before: str, after: str) -> None:
    text, faults = made(name)
    assert text.count(before) == 1
    changed = [one.diff(text) for one in faults if one.kind == kind]
    lines = zip(text.splitlines(), text.replace(before, after).splitlines(), strict=True)
    (wanted,) = [(" ".join(a.split()), " ".join(b.split())) for a, b in lines if a != b]
    assert wanted in changed


def test_every_kind_is_made_and_no_text_twice() -> None:
    assert {kind for kind, *_ in MADE} | {"axis"} == set(fault.KINDS)
    for name in ("cuda", "bytes", "bang"):
        text, faults = made(name)
        texts = [one.apply(Kernel(text, "cuda", "k")).source for one in faults]
        assert text not in texts
        assert len(set(texts)) == len(texts)


# ---------------------------------------------------------------- judging


@lru_cache(maxsize=64)
def original(name: str) -> Any:
    return judging.Original(corpus.cases()[name])


def fault_in(name: str, kind: str, before: str, after: str) -> Any:
    """The mutation of a kernel of the corpus that puts `after` in the place of `before`."""
    text = original(name).kernel.source
    for one in text_faults(original(name).kernel):
        old, new = one.diff(text)
        if one.kind == kind and before in old and new == old.replace(before, after, 1):
            return one
    raise AssertionError(f"{name} has no {kind} from {before!r} to {after!r}")


# A mutant of each kind, and what catches it.
CAUGHT = [
    ("permute.hip", "index swapped", "threadIdx.x", "threadIdx.y", "values"),
    ("permute.hip", "transposed", "ic * a + ia) * b + ib", "", "values"),
    ("conv_u8.cu", "signedness", "const unsigned char* x", "const signed char* x", "values"),
    ("axpy.cu", "bound", "i < n", "i < n + 1", "crash"),
    ("axpy.cu", "comparison", "i < n", "i <= n", "crash"),
    ("axpy.cu", "guard", "i < n", "true", "crash"),
    ("axpy.cu", "times divide", "a * x[i]", "a / x[i]", "values"),
    ("axpy.cu", "operand", "a * x[i]", "a * b[i]", "values"),
    ("axpy.cu", "statement", "y[i] = a * x[i] - b[i] / 3.0f;", ";", "values"),
    ("axpy.cu", "swapped", "b[i] / 3.0f", "3.0f / (b[i])", "values"),
    ("gather_rows.cu", "reversed", "from < entries", "from > entries", "values"),
    ("gemv_syncwarp.cu", "barrier", "__syncwarp();", ";", "values"),
    ("gemv_syncwarp.cu", "initial", "sum = 0.0f", "sum = (0.0f + 1.0f)", "values"),
    ("gemv_syncwarp.cu", "plus minus", "sum += a", "sum -= a", "values"),
    ("gemv_syncwarp.cu", "stride", "c += 32", "c += 32 + 1", "values"),
    ("column_sum.hip", "atomic", "atomicAdd(&y[c], sum);", "*(&y[c]) += (sum);", "findings"),
    ("column_sum.hip", "constant", "blockIdx.y * 5", "blockIdx.y * (5 + 1)", "values"),
    ("wave_sum.hip", "shuffle", "sum, delta)", "sum, delta / 2)", "values"),
    ("maxpool.cu", "max min", "max(most, v)", "min(most, v)", "values"),
    ("block_copy.mlu", "count", "ROWS * COLS);", "(ROWS * COLS) - 1);", "values"),
    ("block_copy.mlu", "direction", "GDRAM2NRAM", "NRAM2GDRAM", "crash"),
    ("block_copy.mlu", "copy", "", "", "values"),
]


@pytest.mark.parametrize(("name", "kind", "before", "after", "by"), CAUGHT)
def test_a_mutant_of_each_kind_is_caught(
    name: str, kind: str, before: str, after: str, by: str
) -> None:
    faults = [one for one in text_faults(original(name).kernel) if one.kind == kind]
    one = fault_in(name, kind, before, after) if after else faults[0]
    assert original(name).judge_text(one).by == by


def test_every_kind_has_a_mutant_that_is_caught() -> None:
    assert {kind for _, kind, *_ in CAUGHT} | {"axis"} == set(fault.KINDS)


def test_faults_of_blocks_are_caught() -> None:
    matmul = original("matmul_tile.cu")
    raised = matmul.steps[-1]
    assert not raised.flat
    faults = program_faults(raised.mod, raised.name, flat=False)
    first = {one.kind: one for one in reversed(faults)}
    assert {"axis", "bound", "constant", "initial", "statement", "operand"} <= set(first)
    for kind in ("axis", "bound", "constant", "initial", "statement"):
        assert matmul.judge_program(first[kind]).caught, kind


def test_originals_pass_and_wrong_ones_do_not() -> None:
    name = "axpy.cu"
    nothing = fault.TextFault("statement", 0, 0, "")
    assert original(name).problem() == ""
    assert not original(name).judge_text(nothing).caught
    assert not original(name).ones_catch_text(nothing)
    case = corpus.cases()[name]
    wrong = replace(case, reference=lambda x, b: x)
    assert "differs from its reference" in judging.Original(wrong).problem()
    unguarded = fault_in("axpy.cu", "guard", "i < n", "true").apply(case.kernel)
    mistaken = replace(case, kernel=unguarded)
    assert "element 301 of" in judging.Original(mistaken).problem()


def test_what_the_compiler_refuses_is_no_mutant() -> None:
    place = original("axpy.cu").kernel.source.index("y[i]")
    with pytest.raises(judging.Stillborn, match="read-only"):
        original("axpy.cu").judge_text(fault.TextFault("operand", place, place + 1, "x"))


def test_ones_see_a_crash_and_a_wrong_sum_but_no_wrong_operand() -> None:
    axpy = original("axpy.cu")
    assert axpy.ones_catch_text(fault_in("axpy.cu", "bound", "i < n", "i < n + 1"))
    assert axpy.ones_catch_text(fault_in("axpy.cu", "plus minus", "- b", "+ b"))
    assert not axpy.ones_catch_text(fault_in("axpy.cu", "operand", "a * x[i]", "a * b[i]"))


# ---------------------------------------------------------------- programs


def test_faults_in_a_lifted_program() -> None:
    subject = original("gather_rows.cu")
    faults = program_faults(subject.flat)
    kinds = {one.kind for one in faults}
    assert {"bound", "comparison", "guard", "statement", "stride", "index swapped"} <= kinds
    dropped = next(one for one in faults if one.before.startswith("y[") and "0)" in one.after)
    assert dropped.kind == "statement"
    assert dropped.after == "T.evaluate(0)"
    assert subject.judge_program(dropped).by == "values"
    assert subject.ones_catch_program(dropped)
    nothing = replace(dropped, new=dropped.node)
    assert not subject.judge_program(nothing).caught


# ---------------------------------------------------------------- equivalence


def test_equivalence_is_proved_or_known_and_never_guessed() -> None:
    case = corpus.cases()["axpy.cu"]
    text = case.kernel.source
    place = text.index("a * x[i]")
    turned = fault.TextFault("operand", place, place + len("a * x[i]"), "(a) * x[(i)]")
    assert equivalence.why_equivalent(case, turned) == "the same flat program"
    other = fault_in("axpy.cu", "operand", "a * x[i]", "a * b[i]")
    assert equivalence.why_equivalent(case, other) == ""
    # The flat programs of these two are equal, and yet threads race in one of them.
    plain = fault_in("column_sum.hip", "atomic", "atomicAdd(&y[c], sum);", "*(&y[c]) += (sum);")
    assert equivalence.why_equivalent(corpus.cases()["column_sum.hip"], plain) == ""


def test_known_equivalents_are_mutants_of_the_corpus() -> None:
    table = script("mutants.equivalents").EQUIVALENTS
    assert len({(one.kernel, one.before, one.after) for one in table}) == len(table)
    for name in {one.kernel for one in table}:
        kernel = corpus.cases()[name].kernel
        known = {one.diff(kernel.source) for one in text_faults(kernel)}
        flat = judging.flat_program(kernel)
        if flat is not None:
            known |= {(one.before, one.after) for one in program_faults(flat)}
        for one in table:
            assert one.kernel != name or (one.before, one.after) in known
            assert one.reason


# ---------------------------------------------------------------- sampling and the command


def test_a_sample_takes_every_kind_and_kernel_in_turn() -> None:
    originals = [original("axpy.cu"), original("permute.hip")]
    mutants = [one for each in originals for one in sampling.mutants_of(each)]
    order = sampling.in_turn(mutants, 3)
    assert sorted(map(id, order)) == sorted(map(id, mutants))
    assert [id(one) for one in sampling.in_turn(mutants, 3)] == [id(one) for one in order]
    assert [id(one) for one in sampling.in_turn(mutants, 4)] != [id(one) for one in order]
    strata = {(one.dialect, one.kind) for one in mutants}
    assert {(one.dialect, one.kind) for one in order[: len(strata)]} == strata


def test_equivalent_mutants_do_not_count() -> None:
    mutant = next(sampling.mutants_of(original("axpy.cu")))
    verdicts = [judging.Verdict("values"), judging.Verdict("findings"), judging.MISSED]
    outcomes = [report.Outcome(mutant, verdict, False) for verdict in verdicts]
    outcomes.append(report.Outcome(mutant, judging.MISSED, False, "known"))
    numbers = report.row(outcomes)
    assert (numbers["injected"], numbers["equivalent"], numbers["caught"]) == (4, 1, 2)
    assert numbers["score"] == 66.7
    assert [one.survived for one in outcomes] == [False, False, True, False]


def test_the_command_prints_what_it_found() -> None:
    argv = ["--kernel", "axpy.cu", "--kind", "bound,guard", "--count", "3", "--json"]
    done = subprocess.run(
        [sys.executable, str(FOLDER / "mutation.py"), *argv],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["kinds"]["all"]["injected"] == 3
    assert found["kinds"]["all"]["score"] == 100
    assert found["survivors"] == found["false alarms"] == []
    assert done.stderr == ""
