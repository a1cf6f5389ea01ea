"""What the emulator costs, in CPU seconds and as ratios to plain code measured in the same run.

    python benchmarks/emulator_speed.py
    python benchmarks/emulator_speed.py run barriers      # some of the sections
    python benchmarks/emulator_speed.py --json

| section  | what is measured                                              | goal            |
|----------|---------------------------------------------------------------|-----------------|
| compile  | a kernel's text to a library, with an empty cache             | under 0.6 s     |
| run      | kernels without barriers against the same loops in C++        | at most 3 times |
| barriers | what threads of a block wait for, millions of waits a second  | 20 or more      |
| checked  | the checked build against the fast one, on the kernels above  | none            |
| bang     | vector operations of BANG C against numpy's                   | none            |

Times are CPU time of the process that does the work, so that they mean the same on a busy machine;
the fixed job in the first line tells how fast this one is. What a run costs before and after its
work (loading, arrays, stacks) is taken out by running two amounts of work and dividing the
difference; `run` shows it apart. The larger amount is one that takes `--seconds` at least, and of
several repetitions the least counts.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from xpiler_tvm import frontends
from xpiler_tvm.emulation import compiler, run_text
from xpiler_tvm.emulation.building import How, build_library
from xpiler_tvm.emulation.source import Build
from xpiler_tvm.kernel import Kernel, Launch, Param, Scalar, Tensor
from xpiler_tvm.stopwatch import cpu_seconds

ROOT = Path(__file__).parent.parent
COMPILE_GOAL, RUN_GOAL, BARRIER_GOAL = 0.6, 3.0, 20.0
LIMIT_SECONDS = 120.0


@dataclass(frozen=True)
class Row:
    """One measurement: `value` in `unit`, held against `goal` where there is one.

    `least` says that the goal is a lower bound. `about` holds what the value was made of.
    """

    section: str
    name: str
    value: float
    unit: str
    about: dict[str, float]
    goal: float | None = None
    least: bool = False

    @property
    def met(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.least else self.value <= self.goal

    def __str__(self) -> str:
        parts = "  ".join(f"{name} {value:.3g}" for name, value in self.about.items())
        missed = "" if self.met else f"  MISSES {self.goal:g}"
        head = f"{self.section:<9} {self.name:<34} {self.value:10.3f} {self.unit:<22}"
        return f"{head} {parts}{missed}".rstrip()


@dataclass(frozen=True)
class Size:
    """How much is measured: elements of arrays, and how long and how often."""

    elements: int = 1 << 20
    seconds: float = 0.2
    repeat: int = 3

    def least(self, measure: Callable[[], float]) -> float:
        """The shortest of some measurements of one thing: what disturbs them only ever adds."""
        return min(measure() for _ in range(self.repeat))

    def each(self, run: Callable[[int], float]) -> float:
        """CPU seconds of one round, where `run` gives those of a run of one or more rounds."""
        one, rounds = self.least(lambda: run(1)), 2
        # So many that they are not lost in what a run costs beside them, nor in a clock that ticks:
        # with a limit on its time a process is told its time to some milliseconds.
        enough = max(self.seconds, 2 * one)
        while run(rounds) < enough or (all_of_them := self.least(partial(run, rounds))) < enough:
            rounds *= 2
        return (all_of_them - one) / (rounds - 1)


# ---------------------------------------------------------------- a fixed job

_FIXED = """#include <stdint.h>
extern "C" __attribute__((visibility("default"))) uint64_t job(uint64_t steps) {
  uint64_t x = 88172645463325252ull;
  for (uint64_t i = 0; i < steps; ++i) { x ^= x << 13; x ^= x >> 7; x ^= x << 17; }
  return x;
}
"""
_FIXED_STEPS = 100_000_000


def calibration(size: Size) -> Iterator[Row]:
    """100 million steps of Marsaglia's xorshift, each of which needs the one before."""
    job = ctypes.CDLL(str(compiler.library(_FIXED))).job
    job.argtypes, job.restype = [ctypes.c_uint64], ctypes.c_uint64

    def run() -> float:
        start = time.process_time()
        job(_FIXED_STEPS)
        return time.process_time() - start

    yield Row("fixed job", "100 M steps of xorshift", size.least(run), "s", {})


# ---------------------------------------------------------------- compile

_FILES = (
    "examples/vector_add.cu",
    "examples/softmax.cu",
    "examples/gemm_tiled.cu",
    "tests/kernels/add_float4.cu",
    "tests/kernels/hadd_half.cu",
    "tests/kernels/histogram_shared.cu",
    "tests/kernels/softmax_block_shuffle.cu",
)

_HIP_ROW_SUM = """#include <hip/hip_runtime.h>
__global__ void k(const float* x, float* y, int n) {
  __shared__ float part[4];
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[blockIdx.x * n + i];
  for (int d = warpSize / 2; d > 0; d /= 2) sum += __shfl_down(sum, d);
  if (threadIdx.x % warpSize == 0) part[threadIdx.x / warpSize] = sum;
  __syncthreads();
  if (threadIdx.x == 0) y[blockIdx.x] = part[0] + part[1] + part[2] + part[3];
}
"""
_HIP_HALF = """#include <hip/hip_runtime.h>
#include <hip/hip_fp16.h>
__global__ void k(const __half* x, __half* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = __hmax(__hmul(x[i], __float2half(1.5f)), __float2half(0.0f));
}
"""
_BANG_GELU = """#include "bang.h"
#define TILE 4096
__nram__ float x_tile[TILE], t_tile[TILE];
__mlu_global__ void k(const float* x, float* y, int n) {
  for (int i = taskId * TILE; i < n; i += taskDim * TILE) {
    const int count = n - i < TILE ? n - i : TILE;
    __memcpy(x_tile, x + i, count * sizeof(float), GDRAM2NRAM);
    __bang_mul(t_tile, x_tile, x_tile, TILE);
    __bang_mul(t_tile, t_tile, x_tile, TILE);
    __bang_mul_scalar(t_tile, t_tile, 0.044715f, TILE);
    __bang_add(t_tile, t_tile, x_tile, TILE);
    __bang_mul_scalar(t_tile, t_tile, 0.7978845608f, TILE);
    __bang_active_tanh(t_tile, t_tile, TILE);
    __bang_add_scalar(t_tile, t_tile, 1.0f, TILE);
    __bang_mul(t_tile, t_tile, x_tile, TILE);
    __bang_mul_scalar(t_tile, t_tile, 0.5f, TILE);
    __memcpy(y + i, t_tile, count * sizeof(float), NRAM2GDRAM);
  }
}
"""


def _texts() -> Iterator[tuple[str, Kernel, str]]:
    """A name, a resolved kernel and the text that is compiled of it."""
    for name in _FILES:
        kernel = frontends.resolve(Kernel.from_file(ROOT / name))
        yield f"cuda {Path(name).stem}", kernel, frontends.device_text(kernel)
    for name, text, dtype in (("row sum", _HIP_ROW_SUM, "float32"), ("half", _HIP_HALF, "float16")):
        params = (*_pair(1024, dtype), Scalar("n", "int32", 1024))
        yield f"hip {name}", Kernel(text, "hip", "k", params, Launch((4,), (256,))), text
    params = (*_pair(1024, "float32"), Scalar("n", "int32", 1024))
    kernel = Kernel(_BANG_GELU, "bang", "k", params, Launch(tasks=(4, 1, 1)))
    yield "bang gelu", kernel, _BANG_GELU


def _pair(size: int, dtype: str) -> tuple[Param, ...]:
    return Tensor("x", (size,), dtype), Tensor("y", (size,), dtype, "out")


def compiling(size: Size) -> Iterator[Row]:
    """The runtime's objects, which are made once, and then kernels."""
    kernels = list(_texts())
    builds: tuple[Build, ...] = ("fast", "checked")
    before = os.environ.get("XPILER_CACHE_DIR")
    times: dict[tuple[str, Build], float] = {}
    for _ in range(size.repeat):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["XPILER_CACHE_DIR"] = cache
            try:
                once = _compile_all(kernels, builds)
            finally:
                os.environ.pop("XPILER_CACHE_DIR")
                if before is not None:
                    os.environ["XPILER_CACHE_DIR"] = before
        times = {key: min(seconds, times.get(key, seconds)) for key, seconds in once.items()}
    for (name, build), seconds in times.items():
        goal = None if name.startswith("runtime") else COMPILE_GOAL
        yield Row("compile", f"{name}, {build}", seconds, "s", {}, goal)


def _compile_all(
    kernels: list[tuple[str, Kernel, str]], builds: tuple[Build, ...]
) -> dict[tuple[str, Build], float]:
    times: dict[tuple[str, Build], float] = {}
    for source in sorted(compiler.HERE.glob("*.cc")):
        start = cpu_seconds()
        compiler.native_object(source.name)
        times[f"runtime {source.name}", "fast"] = cpu_seconds() - start
    for build in builds:
        # What the first kernel of a dialect pays besides (objects that were not known above, tables
        # that are written out once) is not the kernel's.
        for first in {kernel.dialect: (kernel, text) for _, kernel, text in kernels}.values():
            build_library(first[0], first[1] + "\n// another text\n", How(build=build))
        for name, kernel, text in kernels:
            start = cpu_seconds()
            build_library(kernel, text, How(build=build))
            times[name, build] = cpu_seconds() - start
    return times


# ---------------------------------------------------------------- run


@dataclass(frozen=True)
class Loop:
    """A computation of `y` from `x` and `z`: `body` sees `i`, or `r` and `c` of rows of `w`."""

    body: str
    dtype: str = "float32"
    flat: bool = True


_LOOPS = {
    "axpy": Loop("y[i] = 1.5f * x[i] + z[i];"),
    "gelu": Loop(
        "const float v = x[i];\n"
        "y[i] = 0.5f * v * (1.0f + tanhf(0.7978845608f * (v + 0.044715f * v * v * v)));"
    ),
    "strided gather": Loop("y[i] = x[(unsigned)i * 4099u % (unsigned)n];"),
    "integer operations": Loop(
        "unsigned h = (unsigned)x[i] * 2654435761u;\n"
        "h ^= h >> 15; h += (unsigned)z[i] << 7; h ^= h << 3;\n"
        "y[i] = (int)(h % 1013u) - x[i] / 7;",
        "int32",
    ),
    "rows and columns": Loop(
        "const int left = c > 0 ? c - 1 : c, right = c < w - 1 ? c + 1 : c;\n"
        "y[r * w + c] = x[r * w + left] + x[r * w + right] - 2.0f * z[r * w + c];",
        flat=False,
    ),
}
_TYPES = {"float32": "float", "int32": "int"}
_WIDTH = 1024


def _signature(loop: Loop) -> str:
    kind = _TYPES[loop.dtype]
    return f"(const {kind}* x, const {kind}* z, {kind}* y, int n, int w)"


def plain_text(loop: Loop) -> str:
    """The loop as a function of C++."""
    if loop.flat:
        head = "for (int i = 0; i < n; ++i)"
    else:
        head = "for (int r = 0; r < n / w; ++r) for (int c = 0; c < w; ++c)"
    export = 'extern "C" __attribute__((visibility("default")))'
    function = f"void loop{_signature(loop)} {{ {head} {{ {loop.body} }} }}"
    return f"#include <math.h>\n{export} {function}\n"


def kernel_of(loop: Loop, elements: int, passes: int = 1) -> Kernel:
    """The loop as a CUDA kernel, a thread an element; the whole of it is run `passes` times."""
    if loop.flat:
        head = "const int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n)"
        launch = Launch((-(-elements // 256), 1, passes), (256,))
    else:
        head = (
            "const int c = blockIdx.x * blockDim.x + threadIdx.x;\n"
            "const int r = blockIdx.y * blockDim.y + threadIdx.y;\nif (c < w && r * w < n)"
        )
        rows = elements // _WIDTH
        launch = Launch((-(-_WIDTH // 32), -(-rows // 8), passes), (32, 8))
    text = f"__global__ void k{_signature(loop)} {{\n{head} {{ {loop.body} }}\n}}\n"
    params = (
        Tensor("x", (elements,), loop.dtype),
        Tensor("z", (elements,), loop.dtype),
        Tensor("y", (elements,), loop.dtype, "out"),
        Scalar("n", "int32", elements),
        Scalar("w", "int32", _WIDTH),
    )
    return Kernel(text, "cuda", "k", params, launch)


def inputs(loop: Loop, elements: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    most = 1000 if loop.dtype == "int32" else 2
    x, z = rng.uniform(-most, most, (2, elements)).astype(loop.dtype)
    return {"x": x, "z": z}


def plain_run(loop: Loop, arrays: dict[str, np.ndarray], size: Size) -> tuple[np.ndarray, float]:
    """The loop's output, and the CPU seconds of one pass of plain C++."""
    call = ctypes.CDLL(str(compiler.library(plain_text(loop)))).loop
    y = np.zeros_like(arrays["x"])
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (arrays["x"], arrays["z"], y)]

    def once() -> None:
        call(*pointers, ctypes.c_int(y.size), ctypes.c_int(_WIDTH))

    def run(passes: int) -> float:
        start = time.process_time()
        for _ in range(passes):
            once()
        return time.process_time() - start

    return y, size.each(run)


def emulated_run(loop: Loop, arrays: dict[str, np.ndarray], size: Size) -> tuple[np.ndarray, float]:
    """The output, and the CPU seconds of one pass."""

    def run(passes: int) -> float:
        kernel = kernel_of(loop, size.elements, passes)
        return run_text(kernel, arrays, seconds=LIMIT_SECONDS).seconds

    y = run_text(kernel_of(loop, size.elements), arrays).arrays["y"]
    return y, size.each(run)


def running(size: Size) -> Iterator[Row]:
    """What a run costs beside its work, and then loops."""
    tiny, name = kernel_of(_LOOPS["axpy"], 32), "a run of 32 elements"
    arrays, start, times = inputs(_LOOPS["axpy"], 32), cpu_seconds(), 50
    for _ in range(times):
        run_text(tiny, arrays)
    yield Row("run", name, 1e3 * (cpu_seconds() - start) / times, "ms, both processes", {})
    for name, loop in _LOOPS.items():
        arrays = inputs(loop, size.elements)
        wanted, plain = plain_run(loop, arrays, size)
        found, emulated = emulated_run(loop, arrays, size)
        if found.tobytes() != wanted.tobytes():
            raise AssertionError(f"{name}: the emulator and plain C++ differ")
        about = {
            "ns/element": emulated / size.elements * 1e9,
            "plain": plain / size.elements * 1e9,
        }
        yield Row("run", name, emulated / plain, "times plain C++", about, RUN_GOAL)


# ---------------------------------------------------------------- barriers

_WAITS = {
    "__syncthreads": "__syncthreads();",
    "__syncthreads_or": "value += __syncthreads_or(i == t);",
    "__syncwarp": "__syncwarp();",
    "__shfl_xor_sync": "value += __shfl_xor_sync(0xffffffff, t, 1);",
}
_THREADS = (32, 256, 1024)
_ROUND = 100


def waiting_kernel(wait: str, threads: int, times: int) -> Kernel:
    text = f"""__global__ void k(int* y, int n) {{
  int t = threadIdx.x, value = 0;
  for (int i = 0; i < n; ++i) {{ {wait} }}
  y[t] = value;
}}
"""
    params = (Tensor("y", (threads,), "int32", "out"), Scalar("n", "int32", times))
    return Kernel(text, "cuda", "k", params, Launch((1,), (threads,)))


def barrier_rate(wait: str, threads: int, size: Size, build: Build = "fast") -> float:
    """Millions of times a second that a thread waits."""

    def run(rounds: int) -> float:
        kernel = waiting_kernel(wait, threads, rounds * _ROUND)
        return run_text(kernel, {}, seconds=LIMIT_SECONDS, build=build).seconds

    return 1e-6 * threads * _ROUND / size.each(run)


def waiting(size: Size) -> Iterator[Row]:
    for name, wait in _WAITS.items():
        for threads in _THREADS:
            rate, unit = barrier_rate(wait, threads, size), "M thread-barriers/s"
            yield Row("barriers", f"{name}, {threads} threads", rate, unit, {}, BARRIER_GOAL, True)


# ---------------------------------------------------------------- checked


def checked_seconds(loop: Loop, size: Size) -> float:
    """CPU seconds of an element in the checked build.

    A pass is not repeated within a run here: its blocks would store where those of the pass before
    did, which is a case of its own to the checks.
    """

    def run(elements: int) -> float:
        arrays, kernel = inputs(loop, elements), kernel_of(loop, elements)
        done = run_text(kernel, arrays, seconds=LIMIT_SECONDS, build="checked")
        if done.findings or not done.complete:
            raise AssertionError(f"a correct kernel has findings: {done.findings}")
        return done.seconds

    few, many = size.elements // 8, size.elements // 2
    return (size.least(lambda: run(many)) - size.least(lambda: run(few))) / (many - few)


def checking(size: Size) -> Iterator[Row]:
    for name, loop in _LOOPS.items():
        checked = checked_seconds(loop, size)
        fast = emulated_run(loop, inputs(loop, size.elements), size)[1] / size.elements
        about = {"ns/element": checked * 1e9, "fast": fast * 1e9}
        yield Row("checked", name, checked / fast, "times the fast build", about)
    threads, wait = 256, _WAITS["__syncthreads"]
    rate = barrier_rate(wait, threads, size)
    checked_rate = barrier_rate(wait, threads, size, "checked")
    about = {"M/s": checked_rate, "fast": rate}
    name, unit = f"__syncthreads, {threads} threads", "times the fast build"
    yield Row("checked", name, rate / checked_rate, unit, about)


# ---------------------------------------------------------------- bang

_COUNT = 16384
_OPERATIONS: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray, np.ndarray], object]]] = {
    "__bang_add": ("__bang_add(c, c, b, N);", lambda a, b, c: np.add(c, b, out=c)),
    "__bang_mul": ("__bang_mul(c, a, b, N);", lambda a, b, c: np.multiply(a, b, out=c)),
    "__bang_mul_scalar": (
        "__bang_mul_scalar(c, a, 1.5f, N);",
        lambda a, b, c: np.multiply(a, np.float32(1.5), out=c),
    ),
    "__bang_active_relu": (
        "__bang_active_relu(c, a, N);",
        lambda a, b, c: np.maximum(a, np.float32(0), out=c),
    ),
    "__bang_active_tanh": ("__bang_active_tanh(c, a, N);", lambda a, b, c: np.tanh(a, out=c)),
    "__bang_sum": ("c[0] += __bang_sum(a, N);", lambda a, b, c: np.sum(a)),
    "__bang_transpose": (
        "__bang_transpose(c, a, 128, N / 128);",
        lambda a, b, c: np.copyto(c.reshape(-1, 128), a.reshape(128, -1).T),
    ),
    "__memcpy GDRAM2NRAM": (
        "__memcpy(a, x, N * sizeof(float), GDRAM2NRAM);",
        lambda a, b, c: np.copyto(c, a),
    ),
    "__memcpy NRAM2GDRAM": (
        "__memcpy(y, a, N * sizeof(float), NRAM2GDRAM);",
        lambda a, b, c: np.copyto(c, a),
    ),
}


def vectors(size: Size) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, _COUNT)).astype(np.float32)
    c = np.zeros_like(a)
    for name, (operation, same) in _OPERATIONS.items():
        text = f"""#include "bang.h"
#define N {_COUNT}
__nram__ float a[N], b[N], c[N];
__mlu_global__ void k(const float* x, float* y, int rounds) {{
  __memcpy(a, x, N * sizeof(float), GDRAM2NRAM);
  __memcpy(b, x, N * sizeof(float), GDRAM2NRAM);
  __memcpy(c, x, N * sizeof(float), GDRAM2NRAM);
  for (int i = 0; i < rounds; ++i) {{ {operation} }}
  __memcpy(y, c, N * sizeof(float), NRAM2GDRAM);
}}
"""

        def run(times: int, text: str = text) -> float:
            params = (*_pair(_COUNT, "float32"), Scalar("rounds", "int32", times))
            kernel = Kernel(text, "bang", "k", params, Launch(tasks=(1, 1, 1)))
            return run_text(kernel, {"x": a}, seconds=LIMIT_SECONDS).seconds

        def numpy_run(times: int, same: Callable[..., object] = same) -> float:
            start = time.process_time()
            for _ in range(times):
                same(a, b, c)
            return time.process_time() - start

        emulated, numpys = (size.each(one) / _COUNT for one in (run, numpy_run))
        about = {"M elements/s": 1e-6 / emulated, "numpy": 1e-6 / numpys}
        yield Row("bang", name, emulated / numpys, "times numpy", about)


SECTIONS: dict[str, Callable[[Size], Iterator[Row]]] = {
    "compile": compiling,
    "run": running,
    "barriers": waiting,
    "checked": checking,
    "bang": vectors,
}


def measure(sections: list[str], size: Size) -> Iterator[Row]:
    """The fixed job's row, then those of the sections."""
    yield from calibration(size)
    for section in sections:
        yield from SECTIONS[section](size)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--elements", type=int, default=Size.elements, help="of arrays")
    parser.add_argument("--repeat", type=int, default=Size.repeat, help="of which the least counts")
    parser.add_argument("--seconds", type=float, default=Size.seconds, help="of one measurement")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section named {', '.join(sorted(unknown))}")
    size = Size(options.elements, options.seconds, options.repeat)
    rows = []
    for row in measure(options.sections or list(SECTIONS), size):
        rows.append(row)
        if not options.json:
            print(row, flush=True)
    if options.json:
        print(json.dumps([{**asdict(row), "met": row.met} for row in rows], indent=2))
    else:
        missed = sum(not row.met for row in rows)
        print(f"{len(rows)} measurements, {missed} of them miss their goal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
