"""Times the kernels of a bundle on the GPU of this machine, against PyTorch and its libraries.

    python gpu_run.py                       # compile, run, compare, time; a table and results.json
    python gpu_run.py --compile-only        # needs nvcc or NVRTC alone
    python gpu_run.py --only gemm,softmax

Needs numpy, PyTorch, and nvcc or NVRTC (which comes with PyTorch); no TVM and nothing of the
package. What PyTorch computes eagerly (cuBLAS, cuDNN, its own kernels) is what results are compared
with, in value and in time.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

BUNDLE = Path(__file__).resolve().parent
REPEATS, LEAST_SECONDS = 7, 0.02
Kernel = Mapping[str, Any]


# ---------------------------------------------------------------- what PyTorch has for an operator

Functional = Callable[[Any, Mapping[str, Any], Mapping[str, int]], Any]
"""PyTorch, the arrays by parameter name, the extents by name: the result, of any shape."""


def _rows(a: Any, s: Mapping[str, int]) -> Any:
    return a["x"].view(s["ROWS"], -1)


def _axis(a: Any, s: Mapping[str, int]) -> Any:
    return a["x"].view(s["OUTER"], s["AXIS"], s["INNER"])


def _images(a: Any, s: Mapping[str, int]) -> Any:
    return a["x"].view(s["N"], s["C"], s["H"], s["W"])


def _dense(t: Any, a: Any, s: Mapping[str, int]) -> Any:
    # float16 operands: cuBLAS sums in float32 and PyTorch rounds the result to float16.
    return a["A"].view(s["M"], s["K"]) @ a["B"].view(s["K"], s["N"])


def _conv2d(t: Any, a: Any, s: Mapping[str, int]) -> Any:
    x = a["x"].view(s["N"], s["H"], s["W"], s["CI"]).permute(0, 3, 1, 2)
    w = a["w"].view(s["CO"], s["KH"], s["KW"], s["CI"]).permute(0, 3, 1, 2)
    return t.nn.functional.conv2d(x, w, stride=s["STRIDE"]).permute(0, 2, 3, 1)


def _pool(name: str, sign: int = 1) -> Functional:
    def run(t: Any, a: Any, s: Mapping[str, int]) -> Any:
        x = sign * a["x"].view(s["N"], s["H"], s["W"], s["C"]).permute(0, 3, 1, 2)
        window, step = (s["KH"], s["KW"]), (s["SH"], s["SW"])
        return sign * getattr(t.nn.functional, name)(x, window, step).permute(0, 2, 3, 1)

    return run


PYTORCH: Mapping[str, Functional] = {
    "add": lambda t, a, s: a["a"] + a["b"],
    "sub": lambda t, a, s: a["a"] - a["b"],
    "relu": lambda t, a, s: t.relu(a["x"]),
    "gelu": lambda t, a, s: t.nn.functional.gelu(a["x"]),
    "sigmoid": lambda t, a, s: t.sigmoid(a["x"]),
    "sign": lambda t, a, s: t.sign(a["x"]),
    "sin": lambda t, a, s: t.sin(a["x"]),
    "softmax": lambda t, a, s: t.softmax(_rows(a, s), -1),
    "gemm": _dense,
    "dense": lambda t, a, s: _dense(t, a, s) + a["bias"],
    "bmm": lambda t, a, s: t.bmm(
        a["A"].view(s["BATCH"], s["M"], s["K"]), a["B"].view(s["BATCH"], s["K"], s["N"])
    ),
    "gemv": lambda t, a, s: a["A"].view(s["M"], s["N"]) @ a["x"],
    "conv2d": _conv2d,
    "maxpool": _pool("max_pool2d"),
    "minpool": _pool("max_pool2d", -1),
    "avgpool": _pool("avg_pool2d"),
    "sum": lambda t, a, s: _axis(a, s).sum(1),
    "mean": lambda t, a, s: _axis(a, s).mean(1),
    "max": lambda t, a, s: _axis(a, s).amax(1),
    "min": lambda t, a, s: _axis(a, s).amin(1),
    "layernorm": lambda t, a, s: t.nn.functional.layer_norm(
        a["x"].view(-1, s["D"]), (s["D"],), a["gamma"], a["beta"]
    ),
    "rmsnorm": lambda t, a, s: t.nn.functional.rms_norm(a["x"].view(-1, s["D"]), (s["D"],)),
    "batchnorm": lambda t, a, s: t.nn.functional.batch_norm(
        _images(a, s), a["mean"], a["var"], a["gamma"], a["beta"]
    ),
    "instancenorm": lambda t, a, s: t.nn.functional.instance_norm(_images(a, s)),
    "concat": lambda t, a, s: t.cat(
        [a[name].view(s["OUTER"], -1, s["INNER"]) for name in ("a", "b")], 1
    ),
    "gather": lambda t, a, s: _axis(a, s).index_select(1, a["index"]),
}
"""Operators of the corpus that are one call, or nearly; the others are timed alone."""

PRODUCTS = {"gemm": ("M", "N", "K"), "bmm": ("BATCH", "M", "N", "K"), "dense": ("M", "N", "K")}


# ---------------------------------------------------------------- the device


class Device(Protocol):
    """What a kernel is run with."""

    def compile(self, source: Path, kernel: Kernel) -> None:
        """Raises `RuntimeError` with the compiler's words where it refuses."""

    def arrays(self, kernel: Kernel) -> dict[str, Any]:
        """An array for each tensor, with values from a seed."""

    def launcher(
        self, source: Path, kernel: Kernel, arrays: Mapping[str, Any]
    ) -> Callable[[], None]:
        """What launches the kernel once."""

    def reference(self, kernel: Kernel, arrays: Mapping[str, Any]) -> Callable[[], Any] | None:
        """What computes the same with PyTorch; None where the table has nothing."""

    def seconds(self, run: Callable[[], object]) -> float:
        """How long a run takes, many runs in a row."""

    def error(self, result: Any, wanted: Any) -> float:
        """The largest difference, in parts of the root mean square of what is wanted."""

    def copy_bandwidth(self) -> float:
        """Bytes read and written in a second by a copy on the device."""


def measure(device: Device, folder: Path, name: str, kernel: Kernel) -> dict[str, Any]:
    """The record of one kernel: what went wrong, or its time and error beside PyTorch's time."""
    source = folder / f"{name}.cu"
    about = {"operator": kernel["operator"], "rule": kernel["rule"]}
    try:
        device.compile(source, kernel)
        arrays = device.arrays(kernel)
        launch = device.launcher(source, kernel, arrays)
        launch()
        reference = device.reference(kernel, arrays)
        outputs = [p["name"] for p in kernel["params"] if p.get("intent") in ("out", "inout")]
        error = None
        if reference is not None:
            error = device.error(arrays[outputs[-1]], reference())
        seconds = device.seconds(launch)
        theirs = None if reference is None else device.seconds(reference)
    except (RuntimeError, OSError) as failure:
        return {**about, "failed": str(failure)[:2000]}
    return {
        **about,
        "seconds": seconds,
        "pytorch_seconds": theirs,
        "error": error,
        "bytes": moved_bytes(kernel),
        "operations": operations(kernel),
    }


WIDTHS = {"float16": 2, "bfloat16": 2, "int16": 2, "uint16": 2, "int8": 1, "uint8": 1, "bool": 1,
          "float64": 8, "int64": 8, "uint64": 8}  # fmt: skip


def moved_bytes(kernel: Kernel) -> int:
    """What must be read and written at least: every tensor once, those updated in place twice."""
    return sum(
        param["size"] * WIDTHS.get(param["dtype"], 4) * (2 if param["intent"] == "inout" else 1)
        for param in kernel["params"]
        if "size" in param
    )


def operations(kernel: Kernel) -> int | None:
    """Multiplications and additions of a matrix product."""
    axes = PRODUCTS.get(kernel["operator"])
    return 2 * math.prod(int(kernel["shape"][axis]) for axis in axes) if axes else None


def table(results: Mapping[str, Mapping[str, Any]], copy: float) -> str:
    """A line for each kernel, and what the goals ask for."""
    lines = [
        f"{'kernel':44} {'us':>9} {'PyTorch':>9} {'ratio':>6} {'of copy':>8} {'TFLOP/s':>8}  error"
    ]
    ratios = []
    for name, one in sorted(results.items()):
        if "failed" in one:
            lines.append(f"{name:44} failed: {one['failed'].splitlines()[0][:80]}")
            continue
        seconds, theirs = one["seconds"], one["pytorch_seconds"]
        ratio = theirs / seconds if theirs else None
        if ratio is not None:
            ratios.append(ratio)
        flops = one["operations"]
        lines.append(
            f"{name:44} {seconds * 1e6:9.1f} {_number(theirs and theirs * 1e6, '9.1f')} "
            f"{_number(ratio, '6.2f')} {one['bytes'] / seconds / copy:8.0%} "
            f"{_number(flops and flops / seconds / 1e12, '8.1f')}  {_number(one['error'], '.1e')}"
        )
    if ratios:
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        lines.append(f"geometric mean of {len(ratios)} ratios to PyTorch's time: {mean:.2f}")
    return "\n".join(lines)


def _number(value: float | None, form: str) -> str:
    width = int(form.partition(".")[0] or 0)
    return format(value, form) if value is not None else "-".rjust(width)


# ---------------------------------------------------------------- CUDA through PyTorch


class Cuda:
    """A GPU of NVIDIA's: arrays and timing are PyTorch's, launches the driver's."""

    def __init__(self, arch: str = "") -> None:
        import torch

        self.torch = torch
        if not arch:
            major, minor = torch.cuda.get_device_capability()
            arch = f"sm_{major}{minor}"
        self.arch = arch

    def compile(self, source: Path, kernel: Kernel) -> None:
        compile_cubin(source, kernel, self.arch)

    def arrays(self, kernel: Kernel) -> dict[str, Any]:
        torch = self.torch
        generator = torch.Generator(device="cuda").manual_seed(0)
        arrays = {}
        for param in kernel["params"]:
            if "size" not in param:
                continue
            dtype = getattr(torch, param["dtype"])
            if dtype.is_floating_point:
                low, high = kernel["floats"].get(param["name"], (-1.0, 1.0))
                unit = torch.rand(param["size"], generator=generator, device="cuda")
                array = (low + (high - low) * unit).to(dtype)
            else:
                low, high = kernel["ranges"].get(param["name"], (0, 4))
                array = torch.randint(
                    low, high + 1, (param["size"],), generator=generator, device="cuda"
                ).to(dtype)
            arrays[param["name"]] = array
        return arrays

    def launcher(
        self, source: Path, kernel: Kernel, arrays: Mapping[str, Any]
    ) -> Callable[[], None]:
        import nvrtc

        driver = nvrtc.Driver()
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        driver("cuModuleLoadData", ctypes.byref(module), source.with_suffix(".cubin").read_bytes())
        driver("cuModuleGetFunction", ctypes.byref(function), module, kernel["entry"].encode())
        values: list[Any] = []
        for param in kernel["params"]:
            if "size" in param:
                values.append(ctypes.c_uint64(arrays[param["name"]].data_ptr()))
            else:
                raw = nvrtc.scalar_bytes(param["dtype"], param["value"])
                values.append(ctypes.create_string_buffer(raw, len(raw)))
        pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        shared = int(kernel["shared"])
        if shared > nvrtc.USUAL_SHARED:
            driver("cuFuncSetAttribute", function, nvrtc.MAX_DYNAMIC_SHARED, shared)
        extents = [ctypes.c_uint(each) for each in (*kernel["grid"], *kernel["block"], shared)]

        def launch() -> None:
            stream = ctypes.c_void_p(self.torch.cuda.current_stream().cuda_stream)
            driver("cuLaunchKernel", function, *extents, stream, pointers, None)

        return launch

    def reference(self, kernel: Kernel, arrays: Mapping[str, Any]) -> Callable[[], Any] | None:
        functional = PYTORCH.get(kernel["operator"])
        if functional is None:
            return None
        return partial(functional, self.torch, arrays, kernel["shape"])

    def seconds(self, run: Callable[[], object]) -> float:
        torch = self.torch

        def timed(times: int) -> float:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(times):
                run()
            end.record()
            end.synchronize()
            return float(begin.elapsed_time(end)) / 1000

        for _ in range(3):
            run()
        times = max(1, math.ceil(LEAST_SECONDS / max(timed(1), 1e-7)))
        return statistics.median(timed(times) / times for _ in range(REPEATS))

    def error(self, result: Any, wanted: Any) -> float:
        double = wanted.reshape(-1).double()
        scale = double.square().mean().sqrt().clamp_min(1e-30)
        return float((result.double() - double).abs().max() / scale)

    def copy_bandwidth(self) -> float:
        source = self.torch.empty(1 << 30, dtype=self.torch.uint8, device="cuda")
        target = self.torch.empty_like(source)
        return 2 * source.numel() / self.seconds(lambda: target.copy_(source))


def compile_cubin(source: Path, kernel: Kernel, arch: str) -> None:
    """Source to machine code beside it: by nvcc, or else by NVRTC."""
    target = source.with_suffix(".cubin")
    if shutil.which("nvcc"):
        command = ["nvcc", "-O3", f"-arch={arch}", "-cubin", str(source), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or f"nvcc: exit code {done.returncode}")
        return
    import nvrtc

    # What is behind the kernel is for the host.
    text = source.read_text(encoding="utf-8").split('extern "C" cudaError_t launch_')[0]
    try:
        target.write_bytes(nvrtc.cubin(text, str(kernel["entry"]), [f"-arch={arch}"])[0])
    except nvrtc.Failure as failure:
        raise RuntimeError(str(failure)) from None


# ---------------------------------------------------------------- command line


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="operators, with commas")
    parser.add_argument("--arch", default="", help="sm_90; without, the device's")
    parser.add_argument("--compile-only", action="store_true")
    options = parser.parse_args(given)
    manifest = json.loads((BUNDLE / "manifest.json").read_text(encoding="utf-8"))
    only = set(filter(None, options.only.split(",")))
    chosen = {n: k for n, k in manifest["kernels"].items() if not only or k["operator"] in only}
    if options.compile_only:
        failed = 0
        for name, kernel in chosen.items():
            try:
                compile_cubin(BUNDLE / f"{name}.cu", kernel, options.arch or manifest["arch"])
            except RuntimeError as failure:
                failed += 1
                print(f"{name}: {failure}")
        print(f"{len(chosen) - failed} of {len(chosen)} compile")
        return 1 if failed else 0
    device = Cuda(options.arch)
    results = {}
    for name, kernel in chosen.items():
        results[name] = measure(device, BUNDLE, name, kernel)
        (BUNDLE / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(table(results, device.copy_bandwidth()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
