"""Runs emitted CUDA and HIP on a GPU of this machine.

    emitted file + host function  --nvcc, hipcc-->  shared library in the cache
    arrays  -->  a file  -->  worker process: load, copy in, launch, copy out  -->  the same file

The worker is a new process and no fork, because a context of CUDA does not survive one. Where the
compiler or the device is missing, `find` says so by `None`, and callers emulate instead;
`XPILER_GPU=0` has the same effect.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CheckError, SetupError
from .kernel import Kernel, Param, Scalar, Tensor

if TYPE_CHECKING:
    import numpy as np

COMPILE_SECONDS = 300
PROBE_SECONDS = 20
START_SECONDS = 60
"""What starting Python and a driver may take before the run's own time begins."""

_ALIGNMENT = 256


@dataclass(frozen=True)
class Gpu:
    """A device that can be used: its name for people, how to compile for it.

    `prefix` is that of the vendor's runtime functions, `cuda` or `hip`.
    """

    name: str
    prefix: str
    command: tuple[str, ...]


def find(dialect: str) -> Gpu | None:
    """The GPU that runs text of this dialect, where there are both a device and a compiler."""
    if os.environ.get("XPILER_GPU") == "0":
        return None
    if dialect == "cuda" and shutil.which("nvcc"):
        return _nvidia()
    if dialect == "hip" and shutil.which("hipcc") and Path("/dev/kfd").exists():
        return Gpu("an AMD GPU", "hip", compile_command("hip"))
    return None


def compile_command(prefix: str, arch: str = "") -> tuple[str, ...]:
    """What makes a shared library of a file; `arch` as the compiler names it.

    Products are not fused into sums: results then differ from the emulator's by less.
    """
    if prefix == "cuda":
        chosen = [f"-arch={arch}"] if arch else []
        return ("nvcc", "-O2", "-shared", "-Xcompiler", "-fPIC", "-fmad=false", *chosen)
    chosen = [f"--offload-arch={arch}"] if arch else []
    return ("hipcc", "-O2", "-shared", "-fPIC", "-ffp-contract=off", *chosen)


@lru_cache(maxsize=1)
def _nvidia() -> Gpu | None:
    """The first device that the driver lists."""
    if not shutil.which("nvidia-smi"):
        return None
    query = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader", "--id=0"]
    try:
        done = subprocess.run(
            query, capture_output=True, text=True, timeout=PROBE_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    name, _, capability = done.stdout.strip().partition(",")
    digits = capability.strip().replace(".", "")
    if not name or not digits.isdigit():
        return None
    return Gpu(name, "cuda", compile_command("cuda", f"sm_{digits}"))


# ---------------------------------------------------------------- the host side


def host_function(kernel: Kernel, prefix: str) -> str:
    """C++ that runs an emitted kernel on arrays of the host, to stand behind the emitted text.

        const char* run_k(int* launched, int repeats, float* least, void* host_x, ..., int n)

    takes the kernel's parameters in their order. It returns the runtime's message, or null where
    all went well, and sets `launched` once the kernel itself is to blame for what follows. The
    arrays are those after one launch; `repeats` more are timed, and `least` has the milliseconds of
    the fastest. Scalars of 16-bit floats travel as `float`.
    """
    from .codegen.cuda import CUDA
    from .codegen.hip import HIP

    types = {"cuda": CUDA, "hip": HIP}[prefix].types
    params = kernel.params or ()
    tensors = [param for param in params if isinstance(param, Tensor)]
    sizes = {tensor.name: tensor.size * _itemsize(tensor.dtype) for tensor in tensors}

    def formal(param: Param) -> str:
        if isinstance(param, Tensor):
            return f"void* host_{param.name}"
        return f"{'float' if _is_short_float(param) else types[param.dtype]} {param.name}"

    def actual(param: Param) -> str:
        if isinstance(param, Tensor):
            return f"device_{param.name}"
        return f"({types[param.dtype]}){param.name}" if _is_short_float(param) else param.name

    def copy(tensor: Tensor, to: str, source: str, direction: str) -> str:
        name = tensor.name
        return (
            f"  if (!error) error = {prefix}Memcpy({to}_{name}, {source}_{name}, {sizes[name]}, "
            f"{prefix}Memcpy{direction});"
        )

    first = ["int* launched", "int repeats", "float* least"]
    launch = f"launch_{kernel.entry}({', '.join([*map(actual, params), 'nullptr'])})"
    return "\n".join(
        [
            "",
            "// Copies arrays of the host to the device, runs the kernel and copies them back.",
            "// Then runs it as often as it is to be timed.",
            f'extern "C" const char* run_{kernel.entry}'
            f"({', '.join([*first, *map(formal, params)])}) {{",
            f"  {prefix}Error_t error = {prefix}Success;",
            *(f"  {types[t.dtype]}* device_{t.name} = nullptr;" for t in tensors),
            *(
                f"  if (!error) error = {prefix}Malloc(&device_{t.name}, {sizes[t.name]});"
                for t in tensors
            ),
            *(copy(t, "device", "host", "HostToDevice") for t in tensors),
            "  *launched = !error;",
            f"  if (!error) error = {launch};",
            f"  if (!error) error = {prefix}DeviceSynchronize();",
            *(copy(t, "host", "device", "DeviceToHost") for t in tensors if t.written),
            f"  {prefix}Event_t begin = nullptr, end = nullptr;",
            f"  if (!error && repeats) error = {prefix}EventCreate(&begin);",
            f"  if (!error && repeats) error = {prefix}EventCreate(&end);",
            "  for (int i = 0; i < repeats && !error; ++i) {",
            "    float milliseconds = 0;",
            f"    error = {prefix}EventRecord(begin, nullptr);",
            f"    if (!error) error = {launch};",
            f"    if (!error) error = {prefix}EventRecord(end, nullptr);",
            f"    if (!error) error = {prefix}EventSynchronize(end);",
            f"    if (!error) error = {prefix}EventElapsedTime(&milliseconds, begin, end);",
            "    if (!i || milliseconds < *least) *least = milliseconds;",
            "  }",
            f"  if (begin) (void){prefix}EventDestroy(begin);",
            f"  if (end) (void){prefix}EventDestroy(end);",
            *(f"  (void){prefix}Free(device_{t.name});" for t in tensors),
            f"  return error ? {prefix}GetErrorString(error) : nullptr;",
            "}",
            "",
        ]
    )


def library(kernel: Kernel, gpu: Gpu) -> Path:
    """The shared library of an emitted kernel and its host function, from the cache or made now.

    Raises `SetupError` XP6005 where the vendor's compiler refuses it, XP6004 where the cache
    cannot be written.
    """
    from .emulation.cache import build_folder, cache_folder

    text = kernel.source + host_function(kernel, gpu.prefix)
    parts = [text, *gpu.command, _version(gpu.command[0])]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]
    made = cache_folder() / "gpu" / f"{key}.so"
    if made.exists():
        return made
    with build_folder(made) as name:
        source = Path(name) / ("kernel.cu" if gpu.prefix == "cuda" else "kernel.hip")
        partial = Path(name) / "kernel.so"
        source.write_text(text, encoding="utf-8")
        said = _call([*gpu.command, str(source), "-o", str(partial)])
        if said is not None:
            raise SetupError("XP6005", f"{gpu.command[0]} refuses the emitted file: {said}")
        os.replace(partial, made)
    return made


def _call(command: list[str]) -> str | None:
    """What a compiler has to say against a file: its first error, or its last line."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMPILE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = (done.stderr + done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
    return next((line for line in lines if "error" in line), lines[-1])


@lru_cache(maxsize=4)
def _version(compiler: str) -> str:
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False)
    return done.stdout


# ---------------------------------------------------------------- the run


def run(
    kernel: Kernel,
    gpu: Gpu,
    arrays: Mapping[str, np.ndarray],
    scalars: Mapping[str, int | float] | None = None,
    *,
    seconds: float = 60.0,
) -> dict[str, np.ndarray]:
    """Every tensor's array after a run of an emitted kernel on the device.

    Takes what `emulation.run_text` takes, and one array for each tensor; what an `out` tensor holds
    stays where the kernel does not write.

    Raises
    ------
    SetupError
        XP6004 and XP6005 where it cannot be compiled or started.
    CheckError
        XP5004 (more than `seconds`), XP5005 (the device reports a fault), XP5007 (no value for a
        scalar).
    """
    return timed(kernel, gpu, arrays, scalars, repeats=0, seconds=seconds)[0]


def timed(
    kernel: Kernel,
    gpu: Gpu,
    arrays: Mapping[str, np.ndarray],
    scalars: Mapping[str, int | float] | None = None,
    *,
    repeats: int = 20,
    seconds: float = 60.0,
) -> tuple[dict[str, np.ndarray], float]:
    """The arrays after one launch, and the seconds that the fastest of `repeats` more takes.

    The device's own clock says so, by events before and behind the launch. Raises what `run` does.
    """
    import numpy as np

    given = dict(scalars or {})
    spec: list[dict[str, object]] = []
    end = 0
    for param in kernel.params or ():
        if isinstance(param, Tensor):
            spec.append({"offset": end})
            end += -(-max(1, arrays[param.name].nbytes) // _ALIGNMENT) * _ALIGNMENT
            continue
        value = given.get(param.name, param.value)
        if value is None:
            raise CheckError("XP5007", f"no value was given for {param.name!r}")
        spec.append({"type": _ctype(param), "value": value})
    made = library(kernel, gpu)
    with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
        data = Path(folder) / "arrays"
        room = np.memmap(data, np.uint8, "w+", shape=(max(1, end),))
        slots = {
            tensor.name: int(str(one["offset"]))
            for tensor, one in zip(kernel.params or (), spec, strict=True)
            if "offset" in one
        }
        for name, offset in slots.items():
            raw = np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8)
            room[offset : offset + raw.size] = raw
        room.flush()
        job = {"library": str(made), "function": f"run_{kernel.entry}", "arguments": spec}
        least = _work({**job, "data": str(data), "repeats": repeats}, gpu, seconds)
        found = {
            name: np.array(room[offset : offset + arrays[name].nbytes])
            .view(arrays[name].dtype)
            .reshape(arrays[name].shape)
            for name, offset in slots.items()
        }
    return found, least * 1e-3


def _work(job: dict[str, object], gpu: Gpu, seconds: float) -> float:
    """The job in a process of its own, and its milliseconds; raises what went wrong in it."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "xpiler_tvm.gpu_worker"],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=seconds + START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CheckError("XP5004", f"the run on {gpu.name} took more than {seconds:g} s") from None
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        message = f"the run on {gpu.name} ended: {last}"
        if done.returncode < 0:  # AMD's runtime aborts on a fault of the kernel
            raise CheckError("XP5005", message) from None
        raise SetupError("XP6005", message) from None
    if answer["error"] and answer["launched"]:
        raise CheckError("XP5005", f"{gpu.name} reports: {answer['error']}")
    if answer["error"]:
        raise SetupError("XP6005", f"{gpu.name} cannot be used: {answer['error']}")
    return float(answer["least"])


def _itemsize(dtype: str) -> int:
    from .emulation import numpy_dtype

    return numpy_dtype(dtype).itemsize


def _is_short_float(scalar: Scalar) -> bool:
    return scalar.dtype in ("float16", "bfloat16")


_CTYPES = {"float32": "c_float", "float64": "c_double", "bool": "c_bool"}


def _ctype(scalar: Scalar) -> str:
    """The name in `ctypes` of the type as which a scalar is passed."""
    return "c_float" if _is_short_float(scalar) else _CTYPES.get(scalar.dtype, f"c_{scalar.dtype}")
