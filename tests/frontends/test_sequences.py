"""Files whose host code launches several kernels: one module, the order kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from xpiler_tvm import Kernel, XpilerError, frontends
from xpiler_tvm.frontends.sequence import Call, Copy, Fill, Sequence, View
from xpiler_tvm.verification import inputs_for

FOLDER = Path(__file__).parents[1] / "kernels" / "sequences"
ARGS = {
    "softmax_three.cu": {"rows": 30, "n": 20},
    "keep_before.cu": {"n": 100},
    "scale_shift.mlu": {"tasks": 4},
}
# file: the functions and how often each is called, the arrays with their intents
EXPECTED = {
    "reduce_two_pass.cu": (
        {"block_sums": 1, "add_partials": 1},
        {"values": "in", "partials": "temporary", "total": "out"},
    ),
    "softmax_three.cu": (
        {"row_max": 1, "exp_and_sum": 1, "divide": 1},
        {"scores": "in", "maxima": "temporary", "weights": "inout", "sums": "temporary"},
    ),
    "layernorm_steps.hip": (
        {"means_of": 1, "variances_of": 1, "normalise": 1},
        {"x": "in", "means": "temporary", "gamma": "in", "y": "out"},
    ),
    "heat_loop.cu": ({"diffuse": 5}, {"after": "out", "before": "in"}),
    "histogram_share.cu": (
        {"count": 1, "share_of": 1},
        {"bins": "temporary", "pixels": "in", "shares": "out"},
    ),
    "keep_before.cu": (
        {"relax": 2, "difference": 1},
        {"state": "inout", "target": "in", "before": "temporary", "change": "out"},
    ),
    "template_passes.cu": (
        {"smooth_1": 1, "smooth_4": 1},
        {"in": "in", "out": "temporary", "weights": "in", "out_1": "out"},
    ),
    "scale_shift.mlu": (
        {"scale": 1, "add": 1},
        {"x": "in", "doubled": "inout", "y": "out"},
    ),
}


@lru_cache
def sequence(name: str) -> Sequence:
    return frontends.read_sequence(Kernel.from_file(FOLDER / name, args=ARGS.get(name)))


def inputs(name: str) -> dict[str, np.ndarray]:
    return inputs_for(sequence(name).interface, seed=3)


# ---------------------------------------------------------------- what is right


def _softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(x - x.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def _layernorm(x: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5) * gamma


def _diffused(now: np.ndarray) -> np.ndarray:
    for _ in range(5):
        now = now + 0.25 * np.r_[0, now[:-2] - 2 * now[1:-1] + now[2:], 0]
    return now


def _smoothed(x: np.ndarray, weights: np.ndarray, stride: int) -> np.ndarray:
    place = np.arange(96)
    left = np.where(place >= stride, place - stride, place)
    right = np.where(place + stride < 96, place + stride, place)
    return weights @ np.stack([x[left], x, x[right]])


REFERENCES: dict[str, Callable[..., dict[str, np.ndarray]]] = {
    "reduce_two_pass.cu": lambda values: {"total": values.sum(keepdims=True)},
    "softmax_three.cu": lambda scores, weights: {"weights": _softmax(scores.reshape(30, 20))},
    "layernorm_steps.hip": lambda x, gamma: {"y": _layernorm(x.reshape(24, 40), gamma)},
    "heat_loop.cu": lambda before: {"after": _diffused(before)},
    "histogram_share.cu": lambda pixels: {
        "shares": np.bincount(pixels.astype(int) >> 4, minlength=16) / 777
    },
    "keep_before.cu": lambda state, target: {
        "state": target + 0.25 * (state - target),
        "change": abs(0.25 * (state - target)),
    },
    "template_passes.cu": lambda weights, **x: {
        "out_1": _smoothed(_smoothed(x["in"], weights, 1), weights, 4)
    },
    "scale_shift.mlu": lambda x, doubled: {"doubled": 2 * x, "y": 3 * x},
}


def test_every_file_is_expected() -> None:
    files = {path.name for path in FOLDER.iterdir()}
    assert files == set(EXPECTED) == set(REFERENCES)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_read(name: str) -> None:
    found = sequence(name)
    calls, intents = EXPECTED[name]
    assert Counter(step.function for step in found.steps if isinstance(step, Call)) == calls
    assert {array.name: array.intent for array in found.arrays} == intents
    assert [var.name_hint for var in found.mod.get_global_vars()] == sorted(calls)
    assert all(found.mod[one].attrs["global_symbol"] == one for one in calls)


@pytest.mark.parametrize("name", EXPECTED)
def test_runs_as_the_source_does(name: str) -> None:
    check = sequence(name).check()
    assert check.verdict == "tested", check.detail


@pytest.mark.parametrize("name", EXPECTED)
def test_computes_what_numpy_does(name: str) -> None:
    given = inputs(name)
    wide = {a: given[a].astype("f8") for a in given if EXPECTED[name][1][a] in ("in", "inout")}
    expected = REFERENCES[name](**wide)
    found = sequence(name).run(given)
    assert set(found) == set(expected)
    for array, values in expected.items():
        np.testing.assert_allclose(found[array], values.ravel(), rtol=2e-4, atol=2e-5)


# ---------------------------------------------------------------- steps


def test_steps_beside_launches() -> None:
    bins = View("bins", 0, 16)
    assert sequence("histogram_share.cu").steps[0] == Fill(bins, 0)
    copy = Copy(View("before", 0, 100), View("state", 0, 100))
    assert sequence("keep_before.cu").steps[1] == copy


def test_parts_of_an_array_are_views() -> None:
    variances = sequence("layernorm_steps.hip").steps[1]
    assert isinstance(variances, Call)
    assert variances.views[1:] == (View("means", 0, 24), View("means", 24, 24))


@pytest.mark.parametrize(
    ("name", "one", "other"), [("keep_before.cu", 1, 2), ("scale_shift.mlu", 0, 1)]
)
def test_order_matters(name: str, one: int, other: int) -> None:
    found, given = sequence(name), inputs(name)
    steps = list(found.steps)
    steps[one], steps[other] = steps[other], steps[one]
    swapped = replace(found, steps=tuple(steps))
    before, after = found.run(given), swapped.run(given)
    assert any(not np.array_equal(before[array], after[array]) for array in before)


def test_a_wrong_function_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    found, run_source = sequence("scale_shift.mlu"), Sequence.run_source
    steps = tuple(replace(step, function="scale", views=step.views[:2]) for step in found.steps)
    wrong = replace(found, steps=steps)
    monkeypatch.setattr(Sequence, "run_source", lambda self, *given: run_source(found, *given))
    assert wrong.check().verdict == "refuted"


# ---------------------------------------------------------------- host code

KERNELS = """#include <cuda_runtime.h>
__global__ void scale(const float *x, float *y, int n, float by) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = by * x[i];
}
__global__ void bump(float *y) { y[threadIdx.x] += 1.0f; }
__global__ void bits(const int *x, int *y) { y[threadIdx.x] = x[threadIdx.x] >> 1; }
__global__ void wide(const double *x, double *y) { y[threadIdx.x] = x[threadIdx.x]; }
__device__ int seen;
__global__ void note(int *y) { y[0] = seen; seen += 1; }
"""
LINE = KERNELS.count("\n") + 2  # of the first statement


def read(statements: str, signature: str = "void run(float *x, float *y, int n)") -> Sequence:
    text = f"{KERNELS}{signature} {{\n{statements}\n}}\n"
    args = {"n": 64} if "int n" in signature else {}
    return frontends.read_sequence(Kernel(text, "cuda", filename="k.cu"), args=args)


def test_scalars_that_the_host_does_not_know_stay_free() -> None:
    found = read(
        "scale<<<1, 64>>>(x, y, n, a); scale<<<1, 64>>>(y, x, n, a);",
        "void run(float *x, float *y, int n, float a)",
    )
    assert [scalar.name for scalar in found.scalars] == ["by", "by_1"]
    assert list(found.functions) == ["scale"]
    given = {"x": np.arange(64, dtype="f4"), "y": np.zeros(64, "f4")}
    results = found.run(given, {"by": 2.0, "by_1": 3.0})
    np.testing.assert_array_equal(results["x"], 6 * given["x"])


def test_other_values_make_another_function() -> None:
    found = read("scale<<<1, 64>>>(x, y, n, 2.f); scale<<<2, 32>>>(x, y, n, 2.f);")
    assert list(found.functions) == ["scale", "scale_1"]


def test_types_of_one_size_share_an_array() -> None:
    found = read("bump<<<1, n>>>(x); bits<<<1, n>>>((int *)x, (int *)y);")
    assert [(array.name, array.dtype) for array in found.arrays] == [
        ("y", "float32"),
        ("y_1", "int32"),
    ]
    x = np.linspace(0, 1, 64, dtype="f4")
    results = found.run({"y": x})
    np.testing.assert_array_equal(results["y_1"], (x + 1).view("i4") >> 1)


def test_variables_of_a_program_start_as_zeros() -> None:
    body = "int *y; cudaMalloc(&y, 4); note<<<1, 1>>>(y); note<<<1, 1>>>(y); int h;"
    found = read(body + "cudaMemcpy(&h, y, 4, cudaMemcpyDeviceToHost);", "int main()")
    assert found.steps[0] == Fill(View("seen", 0, 1), 0)
    assert found.run({}) == {"y": [1]} and found.run_source({}) == {"y": [1]}


MANAGED = "float *m; cudaMallocManaged(&m, n * 4);"
OWN = "float *d; cudaMalloc(&d, n * 4); float h[64];"


@pytest.mark.parametrize(
    ("statements", "code", "line"),
    [
        ("bump<<<1, n>>>(x);\nwide<<<1, n>>>((double *)x, (double *)y);", "XP1009", 1),
        ("scale<<<1, n>>>(x, x, n, 2.f);", "XP1009", 0),
        ("scale<<<1, n>>>(x, x + 32, n, 2.f);", "XP1009", 0),
        (f"{MANAGED} bump<<<1, n>>>(m);\nm[0] = 1.f; bump<<<1, n>>>(m);", "XP1009", 1),
        (
            f"float *l; {MANAGED.replace('m;', 'm; cudaMallocManaged(&l, n * 4);', 1)}"
            " bump<<<1, n>>>(m);\nl[0] = m[0]; bump<<<1, n>>>(l);",
            "XP1009",
            1,
        ),
        (
            "bump<<<1, n>>>(x);\nfor (int i = 0; i < n; ++i) { if (x[i] > 1.f) return; }\n"
            "bump<<<1, n>>>(x);",
            "XP1013",
            1,
        ),
        (
            f"{OWN} for (int i = 0; i < 9; ++i) {{ bump<<<1, n>>>(d);"
            "cudaMemcpy(h, d, 4, cudaMemcpyDeviceToHost);\nif (h[0] < 1e-3f) break; }",
            "XP1013",
            1,
        ),
        (
            f"{OWN} bump<<<1, n>>>(d);\ncudaMemcpy(d, h, n * 4, cudaMemcpyHostToDevice);",
            "XP1009",
            1,
        ),
        (
            f"{OWN} bump<<<1, n>>>(d); cudaMemcpy(h, d, n * 4, cudaMemcpyDeviceToHost);\n"
            "if (h[0] > 1.f) return;\nbump<<<1, n>>>(d);",
            "XP1013",
            1,
        ),
        ("bump<<<1, n>>>(x);\ncublasScale(x, n); bump<<<1, n>>>(x);", "XP1013", 1),
        ("bump<<<1, n>>>(x);\nif (x[0] > 1.f) bump<<<1, n>>>(x);", "XP1013", 1),
        (f"{OWN}\ncudaMemset(d, 0, 6); bump<<<1, n>>>(d);", "XP1009", 1),
        (f"{OWN} scale<<<1, n>>>(d, d + 64, n, 2.f);", "XP1014", None),
        ("float *p;\nbump<<<1, n>>>(p);", "XP1013", 0),
    ],
)
def test_what_is_refused(statements: str, code: str, line: int | None) -> None:
    with pytest.raises(XpilerError) as refusal:
        read(statements)
    assert refusal.value.code == code, refusal.value
    if line is not None:
        assert refusal.value.span is not None and refusal.value.span.line == LINE + line


def test_an_access_outside_its_array_is_told() -> None:
    with pytest.raises(XpilerError) as refusal:
        read(f"{OWN} bump<<<1, n + 1>>>(d);").check()
    assert refusal.value.code == "XP5002"


def test_nothing_is_launched() -> None:
    with pytest.raises(XpilerError) as refusal:
        frontends.read_sequence(KERNELS, "cuda")
    assert refusal.value.code == "XP1006"


def test_the_root_is_named() -> None:
    text = f"{KERNELS}void one(float *x) {{ bump<<<1, 8>>>(x); }}"
    text += "void two(float *x) { one(x); one(x); }"
    assert len(frontends.read_sequence(text).steps) == 2
    assert len(frontends.read_sequence(text, root="one").steps) == 1
    with pytest.raises(XpilerError) as refusal:
        frontends.read_sequence(text, root="three")
    assert refusal.value.code == "XP1014" and "one" in refusal.value.hint
