"""Translations as users hold them: called, exported, reported on, and fed back in."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import xpiler_tvm as xt

AXPY = """__global__ void axpy(const float* x, float* y, float alpha, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = alpha * x[i] + y[i];
}
"""
ROWS = """__global__ void rows(const float* x, float* y) {
    __shared__ float s[32];
    int t = threadIdx.x, r = blockIdx.x;
    float m = 0;
    for (int c = t; c < 96; c += 32) m += x[r * 96 + c];
    s[t] = m;
    __syncthreads();
    for (int d = 16; d > 0; d >>= 1) {
        if (t < d) s[t] += s[t + d];
        __syncthreads();
    }
    for (int c = t; c < 96; c += 32) y[r * 96 + c] = x[r * 96 + c] / s[0];
}
"""


@lru_cache(maxsize=1)
def axpy() -> xt.Lifted:
    params = (
        xt.Tensor("x", (100,)),
        xt.Tensor("y", (100,), intent="inout"),
        xt.Scalar("alpha", "float32"),
        xt.Scalar("n"),
    )
    launch = xt.Launch((4,), (32,))
    return xt.lift(xt.Kernel(AXPY, "cuda", "axpy", params, launch, filename="axpy.cu"))


@lru_cache(maxsize=1)
def rows() -> xt.Lifted:
    params = (xt.Tensor("x", (5, 96)), xt.Tensor("y", (5, 96), intent="out"))
    return xt.lift(xt.Kernel(ROWS, "cuda", "rows", params, xt.Launch((5,), (32,))))


@lru_cache(maxsize=8)
def translated(target: str) -> xt.Translation:
    return xt.transcompile(rows(), target)


def operands() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(5).uniform(0.5, 1, (5, 96)).astype(np.float32)
    return x, np.zeros((5, 96), np.float32)


@pytest.mark.parametrize("target", ["cuda", "hip", "bang", "vnni"])
def test_a_call_fills_outputs_in_place(target: str) -> None:
    x, y = operands()
    before = x.copy()
    assert translated(target)(x, y) is None  # type: ignore[func-returns-value]
    np.testing.assert_allclose(y, x / x.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("target", ["hip", "vnni"])
def test_a_call_with_scalars(target: str) -> None:
    result = xt.transcompile(axpy(), target)
    x, y = np.arange(100, dtype=np.float32), np.ones(100, np.float32)
    result(x, y, alpha=2.0, n=40)
    np.testing.assert_allclose(y, np.where(np.arange(100) < 40, 2 * x + 1, 1))
    for wrong in ({"n": 40}, {"alpha": 1.0, "n": 4, "m": 1}, {}):
        with pytest.raises(xt.CheckError) as refusal:
            result(x, y, **wrong)
        assert refusal.value.code == "XP5007"
        assert "result(x, y, alpha=..., n=...)" in refusal.value.hint


def test_arguments_that_do_not_fit() -> None:
    x, y = operands()
    locked = y.copy()
    locked.flags.writeable = False
    wrong = [
        ((x,), "1 arrays"),
        ((x, y, y), "3 arrays"),
        ((x[:4], y), "'x' takes 480 elements of float32"),
        ((x.astype(np.float64), y), "float64 is given"),
        ((x, [0.0] * 480), "'y' takes 480 elements"),
        ((x, locked), "'y' is written to and is read-only"),
    ]
    for arrays, words in wrong:
        with pytest.raises(xt.CheckError) as refusal:
            translated("hip")(*arrays)  # type: ignore[arg-type]
        assert refusal.value.code == "XP5007"
        assert words in refusal.value.message


@pytest.mark.parametrize("target", ["hip", "cuda"])
def test_what_was_emitted_can_be_lifted(target: str) -> None:
    result = translated(target)
    assert result.kernel is not None and result.kernel.dialect == target
    again = xt.lift(result.kernel)
    assert all(check.ok for check in again.evidence)
    x, y = operands()
    back = xt.transcompile(again, "vnni")
    back(x, y)
    np.testing.assert_allclose(y, x / x.sum(1, keepdims=True), rtol=1e-5)


def test_symbolic_scalars_survive_the_round_trip() -> None:
    result = xt.transcompile(axpy(), "hip")
    assert result.kernel is not None
    again = xt.lift(result.kernel)
    assert [s.value for s in again.kernel.scalars] == [None, None]
    x, y = np.arange(100, dtype=np.float32), np.ones(100, np.float32)
    xt.transcompile(again, "vnni")(x, y, alpha=-1.0, n=100)
    np.testing.assert_allclose(y, 1 - x)


@pytest.mark.parametrize(
    ("target", "suffixes"),
    [
        ("cuda", {".cu"}),
        ("hip", {".hip"}),
        ("bang", {".mlu"}),
        ("vnni", {".c", ".ll", ".s", ".so"}),
    ],
)
def test_export(target: str, suffixes: set[str], tmp_path: Path) -> None:
    files = translated(target).export(tmp_path / "new" / "folder")
    assert all(file.is_file() and file.stat().st_size for file in files)
    assert suffixes <= {file.suffix for file in files}
    report = next(file for file in files if file.name == "rows.report.json")
    assert json.loads(report.read_text()) == json.loads(json.dumps(translated(target).report))


def test_a_file_gives_its_name(tmp_path: Path) -> None:
    files = xt.transcompile(axpy(), "hip").export(tmp_path)
    assert {file.name for file in files} >= {"axpy.hip", "axpy.report.json"}


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(xt.SetupError) as refusal:
        translated("hip").export(tmp_path / "taken")
    assert refusal.value.code == "XP6004"


def test_the_report_is_plain_data() -> None:
    report = json.loads(json.dumps(translated("hip").report))
    assert report["target"] == "hip" and report["rung"] == "blocks"
    assert report["rule"].startswith("gpu.")
    assert report["schedule"], "the trace of the schedule"
    names = [check["name"] for check in report["evidence"]]
    assert names[:6] == [
        "accesses in bounds",
        "source runs",
        "source has no faults",
        "source = float64 reference",
        "flat = source",
        "raised (blocks) = source",
    ]
    assert "scheduled for hip = source" in names and "emitted hip = source" in names
    verdicts = {check["name"]: check["verdict"] for check in report["evidence"]}
    assert verdicts.pop("compiles (hipcc gfx90a)") == "unknown"
    assert set(verdicts.values()) <= {"proved", "tested"}


def test_an_unknown_target() -> None:
    with pytest.raises(xt.XpilerError) as refusal:
        xt.transcompile(rows(), "metal")
    assert refusal.value.code == "XP1012"


PRODUCT = """#include <cuda_fp16.h>
__global__ void product(const half* a, const half* b, float* c) {
    int j = blockIdx.x * blockDim.x + threadIdx.x, i = blockIdx.y;
    float sum = 0;
    for (int k = 0; k < 256; ++k) {
        sum += __half2float(a[i * 256 + k]) * __half2float(b[k * 256 + j]);
    }
    c[i * 256 + j] = sum;
}
"""


def test_operands_that_a_cluster_shares_come_back_as_a_product() -> None:
    """Through the memory core of an MLU and back, held against the source at each step."""
    params = (
        xt.Tensor("a", (16, 256), "float16"),
        xt.Tensor("b", (256, 256), "float16"),
        xt.Tensor("c", (16, 256), intent="out"),
    )
    source = xt.Kernel(PRODUCT, "cuda", "product", params, xt.Launch((2, 16), (128,)))
    there = xt.transcompile(xt.lift(source), "bang")
    assert "GDRAM2SRAM" in there.kernel.source
    back = xt.lift(there.kernel)
    assert (back.rung, back.notes) == ("blocks", ())
    again = xt.transcompile(back, "cuda")
    verdicts = {check.name: check.verdict for check in again.evidence}
    assert verdicts["emitted cuda = source"] == "tested"
    assert "refuted" not in verdicts.values()
