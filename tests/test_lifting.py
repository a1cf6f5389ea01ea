"""From a kernel to TensorIR: evidence, assumptions, symbolic scalars, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

import xpiler_tvm as xt
from xpiler_tvm.errors import CheckError
from xpiler_tvm.evidence import Check
from xpiler_tvm.oracles import check_module, check_runs, require
from xpiler_tvm.stopwatch import Stopwatch
from xpiler_tvm.trials import Trial

AXPY = """__global__ void axpy(const float* x, float* y, float alpha, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = alpha * x[i] + y[i];
}
"""
X, Y = xt.Tensor("x", (100,)), xt.Tensor("y", (100,), intent="inout")
LAUNCH = xt.Launch((4,), (32,))


def axpy(*scalars: xt.Scalar, text: str = AXPY) -> xt.Kernel:
    return xt.Kernel(text, "cuda", "axpy", (X, Y, *scalars), LAUNCH, filename="axpy.cu")


@lru_cache(maxsize=1)
def bound() -> xt.Lifted:
    return xt.lift(axpy(xt.Scalar("alpha", "float32", 0.5), xt.Scalar("n", value=100)))


@lru_cache(maxsize=1)
def symbolic() -> xt.Lifted:
    return xt.lift(axpy(xt.Scalar("alpha", "float32"), xt.Scalar("n")))


def test_evidence() -> None:
    found = [(check.name, check.verdict) for check in bound().evidence]
    assert found == [
        ("accesses in bounds", "proved"),
        ("source runs", "tested"),
        ("source has no faults", "tested"),
        ("source = float64 reference", "tested"),
        ("flat = source", "tested"),
        ("flat = source, identity over F_p", "tested"),
        ("raised (blocks) = source", "tested"),
    ]
    assert bound().rung == "blocks" and bound().notes == ()
    assert all(check.ok and check.seconds >= 0 for check in bound().evidence)


def test_trials_hold_what_the_source_computed() -> None:
    assert len(bound().trials) == 2
    for trial in bound().trials:
        wanted = np.float32(0.5) * trial.inputs["x"] + trial.inputs["y"]
        np.testing.assert_allclose(trial.outputs["y"], wanted, rtol=1e-6)
    trial = bound().trials[0]
    again = xt.lift(bound().kernel, seed=0).trials[0]
    np.testing.assert_array_equal(again.inputs["x"], trial.inputs["x"])
    other = xt.lift(bound().kernel, seed=7).trials[0]
    assert not np.array_equal(other.inputs["x"], trial.inputs["x"])


def test_assumptions_are_said() -> None:
    found = bound().assumptions
    assert "n is 100" in found and "alpha is 0.5" in found
    assert "pointer parameters do not overlap" in found
    assert not any("n is" in line or "alpha is" in line for line in symbolic().assumptions)


def test_time_is_told_by_stage() -> None:
    first = "read, lift, check bounds, run source, check source, reference"
    assert list(bound().seconds) == [*first.split(", "), "raise", "prove", "check lift"]
    assert all(seconds >= 0 for seconds in bound().seconds.values())


def test_symbolic_scalars_stay_symbolic() -> None:
    for mod in (symbolic().flat, symbolic().mod):
        names = [param.name for param in mod["main"].params]
        assert names == ["x", "y", "alpha", "n"]
    assert [param.name for param in bound().mod["main"].params] == ["x", "y"]
    assert [s.value for s in symbolic().kernel.scalars] == [None, None]


def test_symbolic_scalars_are_tried_with_several_values() -> None:
    tried = [trial.scalars for trial in symbolic().trials]
    assert len(tried) == 3
    assert tried[0] == tried[1], "random and index-coded inputs"
    assert tried[0]["n"] == 100 and 1 <= tried[2]["n"] < 100
    assert tried[0]["alpha"] != tried[2]["alpha"]
    for trial in symbolic().trials:
        n = int(trial.scalars["n"])
        wanted = trial.inputs["y"].copy()
        wanted[:n] += np.float32(trial.scalars["alpha"]) * trial.inputs["x"][:n]
        np.testing.assert_allclose(trial.outputs["y"], wanted, rtol=1e-5, atol=1e-6)


def test_an_opaque_kernel_says_why() -> None:
    turns = "for (int k = 0; i == 0 && k < 9; ++k) { y[k] = alpha; y[(int)x[k] & 7] = x[k]; }"
    text = AXPY.replace("y[i] = alpha * x[i] + y[i];", turns)
    lifted = xt.lift(axpy(xt.Scalar("alpha", "float32", 0.5), xt.Scalar("n", value=100), text=text))
    assert lifted.rung == "opaque"
    assert any(note.startswith("axpy.cu:3:") for note in lifted.notes)
    assert lifted.evidence[-1].name == "raised (opaque) = source"


def test_a_mixed_kernel_says_what_stayed_opaque() -> None:
    """And is held against the source like any other."""
    text = """__global__ void counts(const float *x, float *y) {
    __shared__ int n[4];
    if (threadIdx.x < 4) n[threadIdx.x] = 0;
    __syncthreads();
    atomicAdd(&n[(int)fabsf(8 * x[threadIdx.x]) & 3], 1);
    __syncthreads();
    y[threadIdx.x] = n[threadIdx.x % 4] * x[threadIdx.x];\n}"""
    params = (xt.Tensor("x", (32,)), xt.Tensor("y", (32,), intent="out"))
    lifted = xt.lift(xt.Kernel(text, "cuda", "counts", params, xt.Launch((1,), (32,))))
    assert lifted.rung == "mixed"
    assert any("'n' is stored to at an index from memory" in note for note in lifted.notes)
    assert lifted.evidence[-1].name == "raised (mixed) = source"


def test_elements_that_are_left_alone_are_noted() -> None:
    text = AXPY.replace("alpha * x[i] + y[i]", "alpha * x[i]")
    params = (
        X,
        replace(Y, intent="out"),
        xt.Scalar("alpha", "float32", 2.0),
        xt.Scalar("n", value=90),
    )
    lifted = xt.lift(xt.Kernel(text, "cuda", "axpy", params, LAUNCH))
    assert "10 of the 100 elements of 'y' are never written" in lifted.notes


def test_an_output_that_is_never_written_is_refused() -> None:
    text = AXPY.replace("alpha * x[i] + y[i]", "alpha * x[i]")
    params = (
        X,
        replace(Y, intent="out"),
        xt.Scalar("alpha", "float32", 2.0),
        xt.Scalar("n", value=0),
    )
    with pytest.raises(xt.XpilerError) as refusal:
        xt.lift(xt.Kernel(text, "cuda", "axpy", params, LAUNCH))
    assert refusal.value.code in ("XP5003", "XP2005")


def test_a_form_that_differs_is_refuted() -> None:
    """The flat form of another kernel is not this one's."""
    text = AXPY.replace("+ y[i]", "- y[i]")
    other = xt.lift(axpy(xt.Scalar("alpha", "float32", 0.5), xt.Scalar("n", value=100), text=text))
    check = check_module("flat = source", other.flat, bound().kernel, bound().trials)
    assert check.verdict == "refuted"
    assert "100 of 100 elements of 'y' differ; worst y[" in check.detail
    with pytest.raises(CheckError) as refusal:
        require(check)
    assert refusal.value.code == "XP5001"
    assert refusal.value.message.startswith("flat differs from source: ")


def test_the_worst_trial_counts() -> None:
    kernel, trials = symbolic().kernel, symbolic().trials

    def first_only(trial: Trial) -> dict[str, np.ndarray]:
        return trial.outputs if trial is trials[0] else {"y": trial.outputs["y"] * 2}

    assert check_runs("a", lambda trial: trial.outputs, kernel, trials).verdict == "tested"
    assert check_runs("a", first_only, kernel, trials).verdict == "refuted"

    def crashes(trial: Trial) -> dict[str, np.ndarray]:
        raise CheckError("XP5002", "out of bounds")

    check = check_runs("a", crashes, kernel, trials)
    assert (check.verdict, check.detail) == ("refuted", "XP5002: out of bounds")


def test_what_holds_is_passed_on() -> None:
    for verdict in ("proved", "tested", "unknown"):
        check = Check("a = b", verdict)  # type: ignore[arg-type]
        assert require(check) is check


def test_the_stopwatch_adds_up() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch("work"):
            sum(range(100_000))
    with pytest.raises(ValueError), watch("failing"):
        raise ValueError
    assert list(watch.seconds) == ["work", "failing"]
    assert watch.seconds["work"] > watch.seconds["failing"] >= 0


def test_lanes_that_meet_see_each_other_s_stores() -> None:
    source = """__global__ void k(const float* x, float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = x[threadIdx.x];
  __syncwarp();
  for (int d = 16; d > 0; d /= 2) {
    if (threadIdx.x % 32 < d) s[threadIdx.x] += s[threadIdx.x + d];
    __syncwarp();
  }
  if (threadIdx.x % 32 == 0) y[threadIdx.x / 32] = s[threadIdx.x];
}"""
    params = (xt.Tensor("x", (64,)), xt.Tensor("y", (2,), intent="out"))
    lifted = xt.lift(xt.Kernel(source, "cuda", "k", params, xt.Launch((1,), (64,))))
    assert lifted.rung == "blocks"
    for trial in lifted.trials:
        sums = trial.inputs["x"].reshape(2, 32).sum(1)
        np.testing.assert_allclose(trial.outputs["y"], sums, rtol=1e-5, atol=1e-5)
    racy = source.replace("    __syncwarp();\n", "")
    with pytest.raises(xt.CheckError) as refusal:
        xt.lift(xt.Kernel(racy, "cuda", "k", params, xt.Launch((1,), (64,))))
    assert refusal.value.code == "XP5012"
    assert refusal.value.span is not None and refusal.value.span.line == 6


SCATTER = """
#define ROWS 48
__global__ void scatter(const float* rows, const int* places, float* y) {
  y[places[blockIdx.x] * 32 + threadIdx.x] = rows[blockIdx.x * 32 + threadIdx.x];
}
void host(float* rows, int* places, float* y) { scatter<<<ROWS, 32>>>(rows, places, y); }
int main() {
  float *x, *y; int* p;
  cudaMalloc(&x, ROWS * 32 * sizeof(float)); cudaMalloc(&p, ROWS * sizeof(int));
  cudaMalloc(&y, 64 * 32 * sizeof(float));
  host(x, p, y);
}
"""


def test_places_that_threads_store_to_are_taken_to_differ() -> None:
    lifted = xt.lift(xt.Kernel.from_source(SCATTER, "cuda"))
    trusted = "elements of 'places' lie between 0 and 63, each of them another number"
    assert trusted in lifted.assumptions
    places = lifted.trials[0].inputs["places"]
    assert len(set(places.ravel().tolist())) == places.size


def test_places_that_may_meet_are_no_assumption_of_atomic_operations() -> None:
    source = SCATTER.replace("y[places", "atomicAdd(&y[places").replace(
        "] = rows[blockIdx.x * 32 + threadIdx.x]", "], rows[blockIdx.x * 32 + threadIdx.x])"
    )
    lifted = xt.lift(xt.Kernel.from_source(source, "cuda"))
    assert "elements of 'places' lie between 0 and 63" in lifted.assumptions


def test_a_result_that_is_the_same_whatever_comes_in_proves_nothing() -> None:
    text = """__global__ void k(const float* x, float* y) {
  int t = threadIdx.x; y[t] = x[t] > 5.0f ? x[t] : 0.0f; }
int main() { float *x, *y; cudaMalloc(&x, 256); cudaMalloc(&y, 256); k<<<1, 64>>>(x, y); }"""
    lifted = xt.lift(xt.Kernel.from_source(text, "cuda"))
    check = next(check for check in lifted.evidence if check.name == "source runs")
    assert check.verdict == "unknown" and "every element of 'y' is 0 in each" in check.detail


UNWRITTEN = """__global__ void k(const float* x, float* y) {{
  __shared__ float s[64]; int t = threadIdx.x, i = blockIdx.x * 64 + t;
  if (i < 100) s[t] = x[i];
  __syncthreads();
  float v = ((volatile float*)s)[63 - t];
  {}
}}
int main() {{ float *x, *y; cudaMalloc(&x, 400); cudaMalloc(&y, 512); k<<<2, 64>>>(x, y); }}"""


def test_unwritten_memory_that_is_read_for_nothing_is_a_note() -> None:
    text = UNWRITTEN.format("if (blockIdx.x * 64 + 63 - t < 100) y[i] = v;")
    lifted = xt.lift(xt.Kernel.from_source(text, "cuda"))
    check = next(check for check in lifted.evidence if check.name == "source has no faults")
    assert check.verdict == "tested" and "what changes no result" in check.detail
    assert [note for note in lifted.notes if "uninitialised read" in note]


@pytest.mark.parametrize(
    "use", ["y[i] = v;", "y[i] = fmaxf(v, 1.0f);", "y[i] = v > 1e38f ? 1.0f : 0.0f;"]
)
def test_unwritten_memory_that_changes_a_result_is_refused(use: str) -> None:
    with pytest.raises(xt.CheckError) as refusal:
        xt.lift(xt.Kernel.from_source(UNWRITTEN.format(use), "cuda"))
    assert refusal.value.code == "XP5012"
    assert refusal.value.span.line == 5


def test_only_reads_that_were_filled_are_harmless() -> None:
    """What gives the same bytes in each run only seems to have no influence."""
    text = """__global__ void k(const float* x, float* y) {
  int t = threadIdx.x;
  y[t] = fmaxf(y[t] * 0.0f, x[t]);
}"""
    params = (xt.Tensor("x", (64,)), xt.Tensor("y", (64,), intent="out"))
    nram = """__nram__ float a[64];
__mlu_entry__ void k(const float* x, float* y) {
  __memcpy(a, x + taskId * 64, 128, GDRAM2NRAM);
  float s = 0;
  for (int i = 0; i < 64; i++) s += a[i];
  y[taskId] = s;
}"""
    cores = (xt.Tensor("x", (256,)), xt.Tensor("y", (4,), intent="out"))
    for kernel in (
        xt.Kernel(text, "cuda", "k", params, xt.Launch((1,), (64,))),
        xt.Kernel(nram, "bang", "k", cores, xt.Launch(tasks=(4,))),
    ):
        with pytest.raises(xt.CheckError) as refusal:
            xt.lift(kernel)
        assert refusal.value.code == "XP5012"
        assert "uninitialised read" in refusal.value.message
