"""Runs a kernel's text, as written, on this machine."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpiler_tvm.dialects.bang import DEFAULT_ARCH, Mode
from xpiler_tvm.errors import CheckError, Span, XpilerError
from xpiler_tvm.kernel import Kernel, Scalar, Tensor

from . import bang, memory, worker
from .arrays import Guarded, numpy_dtype, unwritten_array
from .building import How, build_library, span_at
from .findings import Finding, from_error, from_report
from .lines import line_table
from .source import Build, gpu_of

STACK_BYTES = {"cuda": 256 << 10, "hip": 256 << 10, "bang": 64 << 20, "vnni": 64 << 20}


# What a device's allocator aligns arrays to; a fast build ends them at an unreadable page instead.
_DEVICE_ALIGNMENT = 256


@dataclass(frozen=True)
class Run:
    """What a run left behind: every tensor's array by name, and the CPU seconds it took.

    `findings` is what a checked build noted; a fast one notes little beside what it raises.
    `complete` is false where a checked run could not go on.
    """

    arrays: dict[str, np.ndarray]
    seconds: float
    findings: tuple[Finding, ...] = ()
    complete: bool = True


class _Arg(ctypes.Structure):
    """`XpArg` of runtime.h."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("pointer", ctypes.c_void_p),
        ("integer", ctypes.c_longlong),
        ("real", ctypes.c_double),
    )


class _Launch(ctypes.Structure):
    """`XpLaunch` of runtime.h."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        *(
            (name, ctypes.c_uint)
            for name in (
                "warp",
                "dynamic_shared",
                "static_limit",
                "total_limit",
                "stack",
                "clusters",
                "cores",
            )
        ),
        ("report", ctypes.POINTER(worker.Report)),
    )


_POINTER, _INTEGER, _REAL = range(3)


def run_text(
    kernel: Kernel,
    arrays: Mapping[str, np.ndarray],
    scalars: Mapping[str, int | float] | None = None,
    *,
    text: str | None = None,
    seconds: float = 60.0,
    arch: str | None = None,
    mode: Mode = "strict",
    build: Build = "fast",
    flags: tuple[str, ...] = (),
) -> Run:
    """Compiles the kernel's text for this machine and runs it in a process of its own.

    Parameters
    ----------
    kernel : resolved: entry, params and launch are known.
    arrays : one array for each `in` and `inout` tensor, of the tensor's shape (or size) and dtype.
        They are copied. `out` tensors start unwritten (see `arrays.unwritten_array`) whatever is
        given for them.
    scalars : values of scalar parameters; those left out take `Scalar.value`.
    text : what to compile in place of `kernel.source`, with the same lines.
    seconds : CPU seconds after which the run is stopped.
    arch : the device, a key of `dialects.simt.GPUS` or `dialects.bang.ARCHS`.
    mode : how BANG C is read.
    build : `fast` for values, `checked` to find faults too, at many times the cost.
    flags : further options for the compiler.

    Raises
    ------
    CheckError
        What went wrong at run time: XP5002, XP5004 to XP5009. A checked build raises only XP5007;
        the others are its findings.
    ReadError
        XP1011: more shared memory than a block can have, more NRAM than a core has.
    SetupError
        XP6002 without a C++ compiler; XP6003 where it refuses the text, with the place.
    """
    if kernel.entry is None or kernel.params is None:
        raise ValueError("run_text takes a resolved kernel: entry and params are missing")
    guarded: dict[str, Guarded] = {}
    args = (_Arg * max(1, len(kernel.params)))()
    for arg, param in zip(args, kernel.params, strict=False):
        if isinstance(param, Tensor):
            alignment = _DEVICE_ALIGNMENT if build == "checked" else 1
            guarded[param.name] = array = _share(param, arrays, alignment)
            arg.kind, arg.pointer = _POINTER, array.address
        else:
            _pass(arg, param, dict(scalars or {}))
    text = kernel.source if text is None else text
    path = build_library(kernel, text, How(arch, mode, build, flags))
    launch = _launch(kernel, text, arch)
    known = memory.variables(path)
    if kernel.dialect == "bang":
        bang.check_capacity(known, arch or DEFAULT_ARCH)

    def task(report: worker.Report) -> None:
        library = ctypes.CDLL(str(path))
        launch.report = ctypes.pointer(report)
        dynamic = launch.dynamic_shared > 0
        report.base = memory.register(library, path, known, guarded.values(), dynamic=dynamic)
        if kernel.dialect == "bang":
            library.xp_bang_start()
        if build == "checked":
            library.xp_check()
        library.xp_entry(ctypes.byref(launch), args, len(kernel.params or ()))

    def span(line: int) -> Span | None:
        return span_at(kernel, line, 1) if line else None

    report = worker.new_report()
    error: XpilerError | None = None
    try:
        worker.run(task, list(guarded.values()), seconds, span=span, report=report)
    except XpilerError as raised:
        error = _placed(raised, report, kernel, path)
    found = tuple(
        from_report(
            report,
            span,
            lambda stack: _on_stack(kernel, path, stack),
            lambda address: line_table(path).in_text(address),
        )
    )
    if build == "checked" and error is not None:
        last = from_error(error)
        if last is None:
            raise error
        # What ends a checked run was mostly noted just before, with more to tell.
        found += () if any(one.kind == last.kind for one in found) else (last,)
    elif error is not None:
        raise error
    results = {name: array.array.copy() for name, array in guarded.items()}
    return Run(results, report.seconds, found, complete=error is None)


def _on_stack(kernel: Kernel, path: Path, stack: Sequence[int]) -> Span | None:
    """The innermost place in the user's text among return addresses."""
    place = line_table(path).first_place(stack) if any(stack) else None
    return span_at(kernel, *place) if place else None


def _placed(error: XpilerError, report: worker.Report, kernel: Kernel, path: Path) -> XpilerError:
    """The error with the place at which the faulting thread was, where it has none yet."""
    trace = list(report.trace)
    if error.span is not None or not trace[0]:
        return error
    # The first address is the instruction itself, the others return addresses.
    span = _on_stack(kernel, path, [trace[0] + 1, *trace[1:]])
    return type(error)(error.code, error.message, span=span, hint=error.hint)


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


def _pass(arg: _Arg, scalar: Scalar, scalars: dict[str, int | float]) -> None:
    value = scalars.get(scalar.name, scalar.value)
    if value is None:
        raise CheckError("XP5007", f"no value was given for {scalar.name!r}")
    if "float" in scalar.dtype:
        arg.kind, arg.real = _REAL, float(value)
    else:
        arg.kind = _INTEGER
        # Unsigned values beyond 2^63 travel as their two's complement.
        arg.integer = ctypes.c_longlong(int(value)).value


def _launch(kernel: Kernel, text: str, arch: str | None) -> _Launch:
    launch = _Launch(warp=1, stack=STACK_BYTES[kernel.dialect])
    launch.grid[:] = launch.block[:] = (1, 1, 1)
    if kernel.dialect == "vnni":
        return launch
    if kernel.launch is None:
        raise ValueError("run_text takes a resolved kernel: the launch is missing")
    if kernel.dialect == "bang":
        job = bang.job(kernel.launch, text)
        launch.grid[:], launch.block[0] = job.grid, job.cores
        launch.warp, launch.clusters, launch.cores = job.lanes, job.clusters, 1
        return launch
    launch.grid[:] = _three(kernel.launch.grid)
    launch.block[:] = _three(kernel.launch.block)
    launch.dynamic_shared = kernel.launch.shared_bytes
    gpu = gpu_of(kernel.dialect, arch)
    launch.warp, launch.static_limit, launch.total_limit = gpu.warp, gpu.static_shared, gpu.shared
    return launch


def _three(extents: tuple[int, ...]) -> tuple[int, ...]:
    return (*extents, 1, 1, 1)[:3]
