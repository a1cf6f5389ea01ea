"""Compiles and runs the kernel in this folder without nvcc: by NVRTC and CUDA's driver.

    python nvrtc.py --compile sm_90     # kernel.cu to kernel.cubin
    python nvrtc.py INPUT [OUTPUT]      # runs kernel.cubin, as host.h does its launcher

NVRTC comes with PyTorch and with the toolkit. Exit codes are those of host.h: 3 where the device
reports a fault of the kernel, 4 where anything else is missing or fails.
"""

from __future__ import annotations

import ctypes
import json
import re
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

KERNEL_FAILED, MACHINE_FAILED = 3, 4
MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTEMAX_DYNAMIC_SHARED_SIZE_BYTES
USUAL_SHARED = 48 * 1024

# NVRTC has no standard library; CUDA's own headers it can include.
_OWN_HEADER = re.compile(r"cuda_fp16|cuda_bf16|mma\.h|cooperative_groups")
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b.*$", re.MULTILINE)
_PRELUDE = """
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#define FLT_MAX 3.402823466e+38f
#define FLT_MIN 1.175494351e-38f
#define FLT_EPSILON 1.192092896e-07f
#define INT_MAX 0x7fffffff
#define INT_MIN (-INT_MAX - 1)
#define M_PI 3.14159265358979323846
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
#line 1 "kernel.cu"
"""

_FORMATS = {
    "bool": "?",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
}


class Failure(Exception):
    """What ends this process, and with which exit code."""

    def __init__(self, message: str, code: int = MACHINE_FAILED) -> None:
        super().__init__(message)
        self.code = code


def load(*names: str) -> ctypes.CDLL:
    """The first library of these that can be loaded: by name, or beside what Python imports."""
    for name in names:
        for candidate in (name, *_installed(f"lib/{name}"), *_installed(f"lib64/{name}")):
            try:
                return ctypes.CDLL(candidate)
            except OSError:
                continue
    raise Failure(f"no {names[0]} here")


def _installed(what: str) -> Iterator[str]:
    """Where NVIDIA's packages and its toolkit keep files."""
    for folder in [*(Path(entry) / "nvidia" for entry in sys.path), Path("/usr/local/cuda")]:
        yield from map(str, sorted(folder.glob(what)))
        yield from map(str, sorted(folder.glob(f"*/{what}")))


# ---------------------------------------------------------------- compile


def device_text(text: str) -> str:
    """The kernel's text as NVRTC takes it, with its lines."""
    kept = _INCLUDE.sub(lambda line: line[0] if _OWN_HEADER.search(line[0]) else "", text)
    return _PRELUDE + kept


def compile_kernel(kernel: dict[str, Any], arch: str) -> None:
    """kernel.cu to kernel.cubin and the name in it, kernel.symbol."""
    text = Path("kernel.cu").read_text(encoding="utf-8")
    options = [f"-arch={arch}", "-fmad=false", "-lineinfo"]
    machine_code, symbol = cubin(text, str(kernel["entry"]), options)
    Path("kernel.cubin").write_bytes(machine_code)
    Path("kernel.symbol").write_bytes(symbol)


def cubin(text: str, entry_name: str, flags: Sequence[str]) -> tuple[bytes, bytes]:
    """Machine code of a kernel and its name therein. Raises `Failure` with the compiler's log."""
    nvrtc = load("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so")
    program = ctypes.c_void_p()
    source, entry = device_text(text).encode(), entry_name.encode()

    def need(status: int, what: str) -> None:
        if status:
            raise Failure(f"{what} failed with status {status}")

    need(
        nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"kernel.cu", 0, None, None),
        "nvrtcCreateProgram",
    )
    need(nvrtc.nvrtcAddNameExpression(program, entry), "nvrtcAddNameExpression")
    # CUDA's own headers need those of its C++ library, which has a folder of its own.
    places = (*_installed("include"), *_installed("include/cccl"))
    folders = [f"-I{folder}" for folder in places if Path(folder).is_dir()]
    options = [*flags, "-std=c++17", *folders]
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    if nvrtc.nvrtcCompileProgram(program, len(options), given):
        size = ctypes.c_size_t()
        need(nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size)), "nvrtcGetProgramLogSize")
        log = ctypes.create_string_buffer(size.value + 1)
        need(nvrtc.nvrtcGetProgramLog(program, log), "nvrtcGetProgramLog")
        raise Failure(log.value.decode(errors="replace"))
    symbol = ctypes.c_char_p()
    lowered = nvrtc.nvrtcGetLoweredName(program, entry, ctypes.byref(symbol))
    need(lowered, "nvrtcGetLoweredName")
    size = ctypes.c_size_t()
    need(nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)), "nvrtcGetCUBINSize")
    code = ctypes.create_string_buffer(size.value)
    need(nvrtc.nvrtcGetCUBIN(program, code), "nvrtcGetCUBIN")
    return code.raw, symbol.value or b""


# ---------------------------------------------------------------- run


def scalar_bytes(dtype: str, value: float) -> bytes:
    """A parameter's bytes."""
    if dtype == "bfloat16":
        (bits,) = struct.unpack("<I", struct.pack("<f", value))
        return struct.pack("<H", (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
    number = float(value) if "float" in dtype else int(value)
    return struct.pack(f"<{_FORMATS[dtype]}", number)


def sizes(kernel: dict[str, Any], total: int) -> list[int]:
    """Bytes of each array of the input, which has `total` bytes."""
    widths = {"bfloat16": 2, **{name: struct.calcsize(f) for name, f in _FORMATS.items()}}
    found = [p["size"] * widths[p["dtype"]] for p in kernel["params"] if "size" in p]
    if sum(found) != total:
        raise Failure(f"the input has {total} bytes, the arrays {sum(found)}")
    return found


class Driver:
    """The functions of CUDA's driver, with their errors."""

    def __init__(self) -> None:
        self._library = load("libcuda.so.1")

    def __call__(self, name: str, *args: Any, code: int = MACHINE_FAILED) -> None:
        status = getattr(self._library, name)(*args)
        if status:
            said = ctypes.c_char_p()
            self._library.cuGetErrorString(status, ctypes.byref(said))
            what = (said.value or b"unknown error").decode(errors="replace")
            raise Failure(f"{name}: {what}", code)


def run(kernel: dict[str, Any], source: Path, target: Path | None) -> None:
    """The kernel on the arrays of `source`; without `target` outputs start without a value."""
    cuda = Driver()
    device, context = ctypes.c_int(), ctypes.c_void_p()
    cuda("cuInit", 0)
    cuda("cuDeviceGet", ctypes.byref(device), 0)
    cuda("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    cuda("cuCtxSetCurrent", context)
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    cuda("cuModuleLoadData", ctypes.byref(module), Path("kernel.cubin").read_bytes())
    symbol = Path("kernel.symbol").read_bytes()
    cuda("cuModuleGetFunction", ctypes.byref(function), module, symbol)

    data = source.read_bytes()
    left, at = iter(sizes(kernel, len(data))), 0
    arrays: list[tuple[ctypes.c_uint64, int]] = []
    values: list[Any] = []
    for param in kernel["params"]:
        if "size" not in param:
            raw = scalar_bytes(param["dtype"], param["value"])
            values.append(ctypes.create_string_buffer(raw, len(raw)))
            continue
        size, place = next(left), ctypes.c_uint64()
        cuda("cuMemAlloc_v2", ctypes.byref(place), ctypes.c_size_t(size))
        if param["intent"] != "out" or target:
            cuda("cuMemcpyHtoD_v2", place, data[at : at + size], ctypes.c_size_t(size))
        arrays.append((place, size))
        values.append(place)
        at += size

    shared = int(kernel["shared"])
    if shared > USUAL_SHARED:
        cuda("cuFuncSetAttribute", function, MAX_DYNAMIC_SHARED, shared, code=KERNEL_FAILED)
    pointers = (ctypes.c_void_p * max(1, len(values)))(*map(ctypes.addressof, values))
    extents = (*kernel["grid"], *kernel["block"], shared)
    launch = (function, *map(ctypes.c_uint, extents), None, pointers, None)
    cuda("cuLaunchKernel", *launch, code=KERNEL_FAILED)
    cuda("cuCtxSynchronize", code=KERNEL_FAILED)
    if target:
        with open(target, "wb") as file:
            for place, size in arrays:
                room = ctypes.create_string_buffer(size)
                cuda("cuMemcpyDtoH_v2", room, place, ctypes.c_size_t(size), code=KERNEL_FAILED)
                file.write(room.raw)
    for place, _ in arrays:
        cuda("cuMemFree_v2", place, code=KERNEL_FAILED)


def main(given: Sequence[str]) -> int:
    kernel = json.loads(Path("kernel.json").read_text(encoding="utf-8"))
    try:
        if given[0] == "--compile":
            compile_kernel(kernel, given[1])
        else:
            run(kernel, Path(given[0]), Path(given[1]) if len(given) > 1 else None)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
