"""What runs when a translation is called, and what its evidence says was run."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import xpiler_tvm as xt
from xpiler_tvm import gpu, processor, targets
from xpiler_tvm.errors import SetupError

BYTES = """
__global__ void product(const unsigned char *a, const signed char *b, int *c, int n) {
  int j = blockIdx.x * blockDim.x + threadIdx.x, i = blockIdx.y;
  if (j >= n) return;
  int sum = 0;
  for (int k = 0; k < 64; ++k) sum += a[i * 64 + k] * b[k * n + j];
  c[i * n + j] = sum;
}
"""

SCALE = """
__global__ void scale(const float *x, float *y, float a, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i];
}
"""


@lru_cache(maxsize=1)
def product() -> xt.Lifted:
    params = (
        xt.Tensor("a", (16, 64), "uint8"),
        xt.Tensor("b", (64, 64), "int8"),
        xt.Tensor("c", (16, 64), "int32", "out"),
        xt.Scalar("n", "int32", 64),
    )
    return xt.lift(xt.Kernel(BYTES, "cuda", "product", params, xt.Launch((2, 16), (32,))))


@lru_cache(maxsize=1)
def scale() -> xt.Lifted:
    params = (
        xt.Tensor("x", (100,)),
        xt.Tensor("y", (100,), intent="out"),
        xt.Scalar("a", "float32"),
        xt.Scalar("n", "int32", 100),
    )
    return xt.lift(xt.Kernel(SCALE, "cuda", "scale", params, xt.Launch((4,), (32,))))


def operands() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (16, 64), dtype="uint8")
    b = rng.integers(-128, 128, (64, 64), dtype="int8")
    return a, b, np.zeros((16, 64), "int32")


def test_the_instruction_reaches_the_library() -> None:
    result = xt.transcompile(product(), "vnni")
    assert result.rule == "cpu.vnni", result.notes
    assert "vpdpbusd" in result.inspect("asm")
    with pytest.raises(xt.EmitError) as refusal:
        result.inspect("ptx")
    assert refusal.value.code == "XP4003" and "ll" in refusal.value.hint
    a, b, c = operands()
    result(a, b, c)
    np.testing.assert_array_equal(c, a.astype(int) @ b)


def test_a_cpu_without_the_instruction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "missing_features", lambda mcpu: ("avx512_vnni",))
    result = xt.transcompile(product(), "vnni")
    assert result.rule == "cpu.vnni", "the schedule is checked without the instruction"
    (library,) = (check for check in result.evidence if check.name.startswith("library"))
    assert (library.verdict, library.detail) == ("unknown", "not run: this CPU has no avx512_vnni")
    assert result.evidence[-1].ok, "C with the instruction's meaning in its place"
    assert result.runs_on == "the emulator"
    a, b, c = operands()
    result(a, b, c)
    np.testing.assert_array_equal(c, a.astype(int) @ b)


@pytest.mark.skipif(bool(processor.missing_features("cascadelake")), reason="no VNNI here")
def test_the_library_is_what_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that computes something else than the schedule is refused."""
    about = scale().kernel.params, scale().kernel.launch
    other = xt.Kernel(SCALE.replace("a * x", "a + x"), "cuda", "scale", *about)
    wrong = xt.transcompile(other, "vnni")

    def emitter(mod: object, kernel: xt.Kernel) -> targets.Emitted:
        return targets.Emitted(wrong.source, None, wrong.entry, wrong.libraries)

    changed = replace(targets.get("vnni"), emitter=emitter)
    monkeypatch.setitem(targets.TARGETS, "vnni", changed)
    with pytest.raises(xt.CheckError) as refusal:
        xt.transcompile(scale(), "vnni")
    assert refusal.value.code == "XP5001"
    assert "on this CPU" in refusal.value.message


def test_evidence_says_how_it_was_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPILER_GPU", "0")
    result = xt.transcompile(scale(), "hip")
    emitted, reference, identity = result.evidence[-3:]
    assert emitted.name == "emitted hip = source"
    assert emitted.detail.startswith("emulated: y: ")
    assert reference.name == "emitted hip = float64 reference" and reference.ok
    assert identity.name == "emitted hip = source, identity over F_p"
    assert "at 3 random points" in identity.detail and identity.verdict == "tested"
    assert result.runs_on == "the emulator"
    x, y = np.arange(100, dtype="float32"), np.zeros(100, "float32")
    result(x, y, a=-0.5)
    np.testing.assert_array_equal(y, np.float32(-0.5) * x)


def test_a_gpu_is_asked_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def run(kernel: xt.Kernel, device: gpu.Gpu, arrays: Any, scalars: Any, **limits: float) -> Any:
        asked.append(str(kernel.entry))
        return {"x": arrays["x"], "y": np.float32(scalars["a"]) * arrays["x"]}

    monkeypatch.setattr(gpu, "find", lambda dialect: gpu.Gpu("GPU 3000", "cuda", ("nvcc",)))
    monkeypatch.setattr(gpu, "run", run)
    result = xt.transcompile(scale(), "cuda")
    *_, emulated, _, _, on_gpu = result.evidence
    assert emulated.detail.startswith("emulated: ")
    assert on_gpu.name == "emitted cuda = source, on the GPU"
    assert on_gpu.verdict == "tested" and on_gpu.detail.startswith("on GPU 3000: ")
    assert result.runs_on == "GPU 3000"
    x, y = np.arange(100, dtype="float32"), np.zeros(100, "float32")
    result(x, y, a=2.0)
    np.testing.assert_array_equal(y, 2 * x)
    assert set(asked) == {"scale"}


def test_a_gpu_that_fails_is_noted_and_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*args: object, **options: object) -> None:
        raise SetupError("XP6005", "GPU 3000 cannot be used: out of memory")

    monkeypatch.setattr(gpu, "find", lambda dialect: gpu.Gpu("GPU 3000", "cuda", ("nvcc",)))
    monkeypatch.setattr(gpu, "run", run)
    last = xt.transcompile(scale(), "cuda").evidence[-1]
    assert last.verdict == "unknown" and "out of memory" in last.detail
