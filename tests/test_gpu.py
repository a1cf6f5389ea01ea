"""The GPU path as far as it shows without a GPU: text, compilation, worker, and fall-backs."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from codegen.golden import check_golden

import xpiler_tvm as xt
from xpiler_tvm import gpu
from xpiler_tvm.emulation.compiler import find_compiler
from xpiler_tvm.errors import CheckError, SetupError
from xpiler_tvm.kernel import Kernel, Launch, Scalar, Tensor

# A runtime for the host function: memory is malloc's, the kernel is a loop.
RUNTIME = """
#include <cstdlib>
#include <cstring>
enum cudaError_t { cudaSuccess, cudaErrorMemory, cudaErrorAddress };
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };
typedef void* cudaStream_t;
template <class T> cudaError_t cudaMalloc(T** p, size_t bytes) {
  *p = (T*)malloc(bytes);
  return bytes > 1000000 ? cudaErrorMemory : cudaSuccess;
}
inline cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  memcpy(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* p) { free(p); return cudaSuccess; }
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemory ? "out of memory" : "an illegal memory access";
}
struct Event { long ticks; };
typedef Event* cudaEvent_t;
static long ticks = 0;
inline cudaError_t cudaEventCreate(cudaEvent_t* e) { *e = new Event{0}; return cudaSuccess; }
inline cudaError_t cudaEventDestroy(cudaEvent_t e) { delete e; return cudaSuccess; }
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t) {
  e->ticks = ticks;
  return cudaSuccess;
}
inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end) {
  *ms = end->ticks - begin->ticks;
  return cudaSuccess;
}
extern "C" cudaError_t launch_scale(
    const float* x, int64_t n, double a, bool twice, float* y, int8_t* seen, cudaStream_t) {
  static int calls = 0;
  ticks += 9 - ++calls;  // each is a tick faster than the one before
  if (n < 0) return cudaErrorAddress;
  if (n == 0) for (;;) {}
  if (n == 1) abort();
  for (long i = 0; i < n; ++i) { y[i] = (float)a * x[i] * (twice ? 2 : 1); ++seen[i]; }
  return cudaSuccess;
}
"""


def scale(source: str = "#include <cstdint>\n" + RUNTIME, count: int = 100) -> Kernel:
    params = (
        Tensor("x", (count,)),
        Scalar("n", "int64", count),
        Scalar("a", "float64"),
        Scalar("twice", "bool", 1),
        Tensor("y", (count,), intent="out"),
        Tensor("seen", (count,), "int8", "inout"),
    )
    return Kernel(source, "cuda", "scale", params, Launch((1,), (128,)))


def stand_in() -> gpu.Gpu:
    """A "GPU" whose compiler is this machine's for C++."""
    return gpu.Gpu(
        "GPU 3000",
        "cuda",
        (
            *find_compiler(),
            "-x",
            "c++",
            "-shared",
            "-fPIC",
        ),
    )


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XPILER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("prefix", ["cuda", "hip"])
def test_the_host_function(request: pytest.FixtureRequest, prefix: str) -> None:
    half = replace(scale(), params=(*(scale().params or ()), Scalar("h", "float16", 1.5)))
    suffix = {"cuda": "cu", "hip": "hip"}[prefix]
    check_golden(request, f"host_{prefix}.{suffix}", gpu.host_function(half, prefix))


def arrays(count: int = 100) -> dict[str, np.ndarray]:
    x = np.linspace(-1, 1, count, dtype="float32")
    y, seen = np.full(count, np.nan, "float32"), np.arange(count).astype("int8")
    return {"x": x, "y": y, "seen": seen}


def test_a_run_takes_and_gives_arrays(cache: Path) -> None:
    given = arrays()
    for factor in (3.0, -0.5):
        found = gpu.run(scale(), stand_in(), given, {"a": factor, "n": 60})
        np.testing.assert_array_equal(found["x"], given["x"])
        np.testing.assert_array_equal(
            found["y"][:60], np.float32(factor) * given["x"][:60] * np.float32(2)
        )
        assert np.isnan(found["y"][60:]).all(), "what the kernel does not write stays"
        np.testing.assert_array_equal(found["seen"], given["seen"] + (np.arange(100) < 60))
    assert len(list((cache / "gpu").iterdir())) == 1, "compiled once"


def test_a_timed_run_gives_the_arrays_of_one_launch() -> None:
    found, seconds = gpu.timed(scale(), stand_in(), arrays(), {"a": 1.0, "n": 60}, repeats=3)
    assert seconds == pytest.approx(5e-3), "9 - 4 ticks of a millisecond: the fourth launch"
    np.testing.assert_array_equal(found["seen"], arrays()["seen"] + (np.arange(100) < 60))


@pytest.mark.parametrize(
    ("n", "said"), [(-1, "GPU 3000 reports: an illegal memory access"), (1, "ended")]
)
def test_faults_of_the_kernel(n: int, said: str) -> None:
    with pytest.raises(CheckError) as caught:
        gpu.run(scale(), stand_in(), arrays(), {"a": 1.0, "n": n})
    assert caught.value.code == "XP5005"
    assert said in caught.value.message


def test_an_endless_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "START_SECONDS", 1)
    with pytest.raises(CheckError) as caught:
        gpu.run(scale(), stand_in(), arrays(), {"a": 1.0, "n": 0}, seconds=0.1)
    assert caught.value.code == "XP5004"


def test_a_device_without_room_is_the_machines_fault() -> None:
    with pytest.raises(SetupError) as caught:
        gpu.run(scale(count=300000), stand_in(), arrays(300000), {"a": 1.0})
    assert caught.value.code == "XP6005"
    assert "out of memory" in caught.value.message


def test_a_text_that_the_compiler_refuses() -> None:
    with pytest.raises(SetupError) as caught:
        gpu.run(scale("no kernel;"), stand_in(), arrays(), {"a": 1.0})
    assert caught.value.code == "XP6005"
    assert "refuses the emitted file" in caught.value.message


def test_a_scalar_without_a_value() -> None:
    with pytest.raises(CheckError) as caught:
        gpu.run(scale(), stand_in(), arrays())
    assert caught.value.code == "XP5007"


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPILER_GPU", "0")
    assert gpu.find("cuda") is None and gpu.find("hip") is None
    assert gpu.find("bang") is None and gpu.find("vnni") is None


EXAMPLES = sorted(Path(__file__).parent.parent.joinpath("examples").glob("*.cu"))


@pytest.mark.parametrize("target", ["cuda", "hip"])
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_on_a_gpu(path: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XPILER_GPU", raising=False)
    device = gpu.find(target)
    if device is None:
        pytest.skip("no GPU here, or no compiler for it")
    last = xt.transcompile(xt.Kernel.from_file(path), target).evidence[-1]
    assert last.name == f"emitted {target} = source, on the GPU"
    assert last.verdict == "tested" and last.detail.startswith(f"on {device.name}: ")


def test_no_device_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A compiler alone is not enough, nor is a driver that fails."""
    monkeypatch.delenv("XPILER_GPU", raising=False)
    for name, script in (("nvcc", "exit 0"), ("nvidia-smi", "echo 'no devices' >&2; exit 9")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        gpu._nvidia.cache_clear()
        assert gpu.find("cuda") is None
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'NVIDIA H200, 9.0'\n")
    gpu._nvidia.cache_clear()
    found = gpu.find("cuda")
    gpu._nvidia.cache_clear()
    assert found is not None and found.name == "NVIDIA H200"
    assert "-arch=sm_90" in found.command


@pytest.mark.skipif(not shutil.which("nvcc"), reason="no nvcc here")
def test_nvcc_takes_the_whole_file(tmp_path: Path) -> None:
    example = Path(__file__).parent.parent / "examples" / "layernorm.cu"
    kernel = xt.transcompile(xt.Kernel.from_file(example), "cuda").kernel
    assert kernel is not None
    file = tmp_path / "layernorm.cu"
    file.write_text(kernel.source + gpu.host_function(kernel, "cuda"))
    command = [*gpu.compile_command("cuda", "sm_80"), str(file), "-o", str(tmp_path / "k.so")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
