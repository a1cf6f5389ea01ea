"""What a launch hands to a kernel: shared arrays, numbers, classes by value, and its extents."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpiler_tvm.dialects import bang_jobs
from xpiler_tvm.dialects.simt import MAX_THREADS
from xpiler_tvm.errors import CheckError, ReadError
from xpiler_tvm.kernel import Kernel, Scalar, Tensor

from . import intrinsics, worker
from .arrays import Guarded, numpy_dtype, unwritten_array
from .field import FIELDS, residue
from .source import gpu_of

# A GPU's thread has 512 KiB of local memory.
STACK_BYTES = {"cuda": 576 << 10, "hip": 576 << 10, "bang": 64 << 20, "vnni": 64 << 20}


# What a device's allocator aligns arrays to; a fast build ends them at an unreadable page instead.
DEVICE_ALIGNMENT = 256
# A type that is aligned by hand; the vectors of the dialects are read from anywhere.
_ALIGNED = re.compile(r"\b(?:alignas|__align__|aligned)\s*\(")


def alignment_of(dialect: str, text: str) -> int:
    """What a text takes its arrays to be aligned to, in bytes."""
    if dialect == "vnni":
        return intrinsics.alignment(text)
    return DEVICE_ALIGNMENT if _ALIGNED.search(text) else 1


class Arg(ctypes.Structure):
    """`XpArg` of runtime.h."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("pointer", ctypes.c_void_p),
        ("integer", ctypes.c_longlong),
        ("real", ctypes.c_double),
    )


class LaunchRecord(ctypes.Structure):
    """`XpLaunch` of runtime.h."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        *(
            (name, ctypes.c_uint)
            for name in (
                "warp",
                "dynamic_shared",
                "stack",
                "clusters",
                "cores",
                "filler",
            )
        ),
        ("report", ctypes.POINTER(worker.Report)),
    )


_POINTER, _INTEGER, _REAL, _OBJECT = range(4)


class PassedObject:
    """A class passed by value: its bytes, each field where C lays it out.

    Over a finite field of `prime` elements, a number in place of a floating-point one is a residue.
    """

    def __init__(self, arg: Arg, prime: int | None) -> None:
        self.arg = arg
        self.prime = prime
        self.data = bytearray()
        self.alignment = 1

    def add(self, param: Tensor | Scalar, given: Arg) -> None:
        if isinstance(param, Tensor):
            value = np.array(given.pointer or 0, np.uint64)
        elif given.kind == _REAL and self.prime is not None:
            bits = numpy_dtype(param.dtype).itemsize * 8
            value = np.array(residue(given.real, self.prime)).astype(f"uint{bits}")
        else:
            number = given.real if given.kind == _REAL else given.integer
            value = np.array(number).astype(numpy_dtype(param.dtype))
        self.data += bytes(max(0, param.at + value.nbytes - len(self.data)))
        self.data[param.at : param.at + value.nbytes] = value.tobytes()
        self.alignment = max(self.alignment, value.nbytes)

    def close(self) -> None:
        self.data += bytes(-len(self.data) % self.alignment)
        self.memory = (ctypes.c_char * len(self.data)).from_buffer(self.data)
        self.arg.kind, self.arg.integer = _OBJECT, len(self.data)
        self.arg.pointer = ctypes.addressof(self.memory)


def _share(tensor: Tensor, arrays: Mapping[str, np.ndarray], alignment: int) -> Guarded:
    """A shared copy of the caller's array for `tensor`."""
    dtype = numpy_dtype(tensor.dtype)
    given = None if tensor.intent == "out" else arrays.get(tensor.name)
    if tensor.intent != "out" and given is None:
        raise CheckError("XP5007", f"no array was given for {tensor.name!r}")
    shape = tensor.shape
    if shape is None:
        if tensor.name not in arrays:
            raise CheckError("XP5007", f"the shape of {tensor.name!r} is not known")
        shape = np.shape(arrays[tensor.name])
    size = int(np.prod(shape, dtype=np.int64))
    if given is not None and (given.dtype != dtype or given.size != size):
        raise CheckError(
            "XP5007",
            f"{tensor.name!r} takes {shape} of {tensor.dtype}, "
            f"{given.shape} of {given.dtype} was given",
        )
    shared = Guarded(tensor.name, tuple(shape), dtype, alignment, given is None)
    shared.array[...] = unwritten_array(shape, dtype) if given is None else given.reshape(shape)
    return shared


def _pass(arg: Arg, scalar: Scalar, scalars: dict[str, int | float]) -> None:
    value = scalars.get(scalar.name, scalar.value)
    if value is None:
        raise CheckError("XP5007", f"no value was given for {scalar.name!r}")
    if "float" in scalar.dtype:
        arg.kind, arg.real = _REAL, float(value)
    else:
        arg.kind = _INTEGER
        # Unsigned values beyond 2^63 travel as their two's complement.
        arg.integer = ctypes.c_longlong(int(value)).value


def launch_of(kernel: Kernel, text: str, arch: str | None) -> LaunchRecord:
    launch = LaunchRecord(warp=1, stack=STACK_BYTES[kernel.dialect])
    launch.grid[:] = launch.block[:] = (1, 1, 1)
    if kernel.dialect == "vnni":
        return launch
    if kernel.launch is None:
        raise ValueError("run_text takes a resolved kernel: the launch is missing")
    if kernel.dialect == "bang":
        job = bang_jobs.job(kernel.launch, text)
        launch.grid[:], launch.block[0] = job.grid, job.cores
        launch.warp, launch.clusters, launch.cores = job.lanes, job.clusters, 1
        return launch
    launch.grid[:] = _three(kernel.launch.grid)
    launch.block[:] = _three(kernel.launch.block)
    threads = math.prod(kernel.launch.block)
    if threads > MAX_THREADS:
        raise ReadError("XP1011", f"a block of {threads} threads, of {MAX_THREADS} at most")
    launch.dynamic_shared = kernel.launch.shared_bytes
    launch.warp = gpu_of(kernel.dialect, arch).warp
    return launch


def _three(extents: tuple[int, ...]) -> tuple[int, ...]:
    return (*extents, 1, 1, 1)[:3]


@dataclass(frozen=True, eq=False)
class Handed:
    """The arguments of a kernel: `args` of `count`, and the shared arrays they point to."""

    args: Any
    count: int
    arrays: tuple[Guarded, ...]
    _kept: tuple[PassedObject, ...]


def arguments(
    kernel: Kernel,
    arrays: Mapping[str, np.ndarray],
    scalars: Mapping[str, int | float] | None,
    symbols: dict[str, np.ndarray],
    alignment: int,
    *,
    build: str,
) -> Handed:
    """The arguments of a resolved kernel; arrays that are variables of its file go to `symbols`.

    Raises `CheckError` XP5007 where an array or a number is missing or of another type.
    """
    guarded: dict[str, Guarded] = {}
    passed: list[Arg] = []
    objects: dict[str, PassedObject] = {}
    for param in kernel.params or ():
        arg = Arg()
        if isinstance(param, Tensor) and param.symbol:
            symbols[param.name] = _share(param, arrays, alignment).array
            continue
        if isinstance(param, Tensor):
            guarded[param.name] = array = _share(param, arrays, alignment)
            arg.kind, arg.pointer = _POINTER, array.address
        else:
            _pass(arg, param, dict(scalars or {}))
        if not param.of:
            passed.append(arg)
            continue
        if param.of not in objects:
            objects[param.of] = PassedObject(arg, FIELDS.get(build))
            passed.append(arg)
        objects[param.of].add(param, arg)
    for one in objects.values():
        one.close()
    args = (Arg * max(1, len(passed)))(*passed)
    return Handed(args, len(passed), tuple(guarded.values()), tuple(objects.values()))
