"""Accesses in bounds, numbers within `int`, and C's divisions."""

from dataclasses import replace

import pytest

from xpiler_tvm import Scalar, Tensor
from xpiler_tvm.kernel import Size

from .proving import of, only, out, proofs_of, verdicts

X = Tensor("x", (100,))


def test_a_guard_keeps_the_last_block_inside() -> None:
    text = "int i = blockIdx.x * 32 + threadIdx.x;\nif (i < 100) y[i] = x[i];"
    found = of(proofs_of(text, X, out("y", 100), grid=(4,), block=(32,)), "bounds")
    assert len(found) == 2
    assert verdicts(found) == {"proved"}


@pytest.mark.parametrize("test", ["i <= 100", "i < 101", "i != 99"])
def test_a_wrong_guard_does_not(test: str) -> None:
    text = f"int i = blockIdx.x * 32 + threadIdx.x;\nif ({test}) y[i] = x[i];"
    found = of(proofs_of(text, X, out("y", 100), grid=(4,), block=(32,)), "bounds")
    assert verdicts(found) == {"refuted"}
    for one in found:
        values = dict(one.counterexample)
        assert values["bx"] * 32 + values["tx"] >= 100
        assert one.span is not None and one.span.line == 3
        assert "outside its 100 elements" in one.detail


def test_an_access_in_a_choice_is_under_its_test() -> None:
    text = "int i = threadIdx.x;\ny[i] = i > 0 ? x[i - 1] : {};"
    found = of(proofs_of(text.format("0.0f"), X, out("y", 100), block=(100,)), "bounds")
    assert verdicts(found) == {"proved"}
    found = of(proofs_of(text.format("x[i + 99]"), X, out("y", 100), block=(100,)), "bounds")
    assert verdicts(found) == {"proved"}
    text = text.replace("i > 0", "i > 1")
    found = of(proofs_of(text.format("x[i + 99]"), X, out("y", 100), block=(100,)), "bounds")
    assert only(found, "refuted").counterexample == (("tx", 1),)


def test_remainders_and_quotients_need_z3() -> None:
    text = """\
int i = threadIdx.x, j = threadIdx.y;
if (i % 7 + j % 5 == 10 && i + 7 * j < 60) y[i + 7 * j - 34] = x[i];"""
    found = of(proofs_of(text, X, out("y", 8), block=(14, 10)), "bounds", "store")
    assert [(one.verdict, one.by) for one in found] == [("proved", "z3")]
    found = of(proofs_of(text, X, out("y", 7), block=(14, 10)), "bounds", "store")
    assert dict(only(found, "refuted").counterexample) == {"tx": 13, "ty": 4}


def test_an_index_from_memory_is_known_by_its_tests_alone() -> None:
    ids = Tensor("ids", (64,), "int32")
    text = "int d = ids[threadIdx.x];\nif ({}) y[d] = x[threadIdx.x];"
    both = proofs_of(text.format("d >= 0 && d < 50"), X, ids, out("y", 50), block=(64,))
    assert verdicts(of(both, "bounds")) == {"proved"}
    half = of(proofs_of(text.format("d < 50"), X, ids, out("y", 50), block=(64,)), "bounds")
    one = only(half, "unknown")
    assert (one.subject, one.detail) == ("store to y[ids_element]", "it rests on what ids holds")


def test_a_store_between_test_and_use_is_noticed() -> None:
    ids = Tensor("ids", (64,), "int32", "inout")
    text = "int t = threadIdx.x;\nif (ids[t] >= 0 && ids[t] < 50) {{ {}y[ids[t]] = 1.0f; }}"
    found = proofs_of(text.format(""), replace(ids, intent="in"), out("y", 50), block=(64,))
    assert verdicts(of(found, "bounds")) == {"proved"}
    found = proofs_of(text.format("ids[t] = ids[t] * 2; "), ids, out("y", 50), block=(64,))
    assert only(of(found, "bounds"), "unknown").subject.startswith("store to y")


def test_a_byte_is_a_good_index_of_a_table_of_256() -> None:
    codes = Tensor("codes", (64,), "uint8")
    text = "y[threadIdx.x] = x[codes[threadIdx.x]];"
    found = proofs_of(text, codes, Tensor("x", (256,)), out("y", 64), block=(64,))
    assert verdicts(of(found, "bounds")) == {"proved"}
    found = proofs_of(text, codes, Tensor("x", (255,)), out("y", 64), block=(64,))
    assert verdicts(of(found, "bounds")) == {"proved", "unknown"}


@pytest.mark.parametrize(("guard", "verdict"), [("i < n", "proved"), ("i <= n", "refuted")])
def test_bounds_of_symbolic_sizes(guard: str, verdict: str) -> None:
    text = f"int i = blockIdx.x * 32 + threadIdx.x;\nif ({guard}) y[i] = 1.0f;"
    found = proofs_of(
        text,
        out("y", "n"),
        Scalar("n"),
        grid=("n / 32 + 1",),
        block=(32,),
        sizes=(Size("n", 1, 1 << 20),),
    )
    assert [one.verdict for one in of(found, "bounds")] == [verdict]


# ---------------------------------------------------------------- int


def test_indices_fit_for_the_sizes_at_hand() -> None:
    text = "int b = blockIdx.x, i = b * n;\nif (i < 100) y[i] = 1.0f;"
    fits = proofs_of(text, out("y", 100), Scalar("n", value=1 << 20), grid=(1024,))
    assert verdicts(of(fits, "overflow")) == {"proved"}
    large = proofs_of(text, out("y", 100), Scalar("n", value=1 << 20), grid=(4096,))
    one = only(of(large, "overflow", "as written"), "refuted")
    assert one.counterexample[0][1] >= 2048
    assert one.span is not None and one.span.line == 2


def test_a_scalar_without_a_value_may_be_anything() -> None:
    text = "int t = threadIdx.x, i = t + n;\nif (i >= 0 && i < 100) y[i] = 1.0f;"
    found = proofs_of(text, out("y", 100), Scalar("n"), block=(32,))
    one = only(of(found, "overflow", "as written"), "unknown")
    assert one.detail == "it rests on n, which has no value"


def test_divisions_are_counted_as_they_were_read() -> None:
    text = "int i = threadIdx.x;\ny[i] = x[i / 3] + x[(i - 8) / 4 + 2] + x[i % 5];"
    found = of(proofs_of(text, X, out("y", 64), block=(64,)), "division")
    assert verdicts(found) == {"proved"}
    said = [(one.subject, one.span and one.span.line) for one in found]
    assert said.count(("'/' is C's, which truncates", 3)) == 1
    assert said.count(("'/' rounds down, of numbers not below zero", 3)) == 1
    assert said.count(("'%' rounds down, of numbers not below zero", 3)) == 1


def test_a_recurrence_of_which_only_a_part_is_kept_reads_that_part() -> None:
    """The loop's elements are those of the block, 8 x 8; the array has 5 x 5."""
    text = """
        __shared__ float d[8][8];
        int i = threadIdx.y, j = threadIdx.x;
        bool on = i < 5 && j < 5;
        if (on) d[i][j] = x[i * 5 + j];
        __syncthreads();
        for (int k = 0; k < 5; k++) {
            float through = 9;
            if (on) through = d[i][k] + d[k][j];
            __syncthreads();
            if (on && through < d[i][j]) d[i][j] = through;
            __syncthreads();
        }
        if (on) y[i * 5 + j] = d[i][j];"""
    found = proofs_of(text, Tensor("x", (25,), "float32"), out("y", 25), block=(8, 8), blocks=True)
    reads = of(found, "bounds", "x", raised=True)
    assert reads and verdicts(reads) == {"proved"}
