"""Runs a kernel's text, as written, on this machine."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpiler_tvm.dialects.bang import DEFAULT_ARCH, Mode
from xpiler_tvm.dialects.simt import DEFAULT_GPUS
from xpiler_tvm.errors import CheckError, ReadError, Span, XpilerError
from xpiler_tvm.isolation import sandbox
from xpiler_tvm.kernel import Kernel

from . import bang, memory, worker
from .arrays import Guarded
from .building import How, build_library, span_at
from .findings import Finding, from_error, from_report
from .lines import line_table
from .memory import SPACES
from .passing import DEVICE_ALIGNMENT, alignment_of, arguments, launch_of
from .source import Build, gpu_of


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


_MISALIGNED = "misaligned access"


def run_text(
    kernel: Kernel,
    arrays: Mapping[str, np.ndarray],
    scalars: Mapping[str, int | float] | None = None,
    *,
    text: str | None = None,
    seconds: float = 60.0,
    arch: str | None = None,
    mode: Mode | None = None,
    build: Build = "fast",
    flags: tuple[str, ...] = (),
    symbols: Mapping[str, np.ndarray] | None = None,
    filler: int = 0,
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
    arch : the device, a key of `dialects.simt.GPUS` or `dialects.bang.ARCHS`; of C with VNNI
        `intrinsics.NATIVE` or `PORTABLE`.
    mode : how BANG C is read; by default as `kernel.mode` says.
    build : `fast` for values, `checked` to find faults too, at many times the cost.
    flags : further options for the compiler.
    symbols : what the host copies to the kernel's `__device__` and `__constant__` variables. What
        they hold after the run is in `Run.arrays` too.
    filler : of a checked run, the byte that unwritten memory of a block is read as.

    Raises
    ------
    CheckError
        What went wrong at run time: XP5002, XP5004 to XP5009. A checked build raises only XP5007;
        the others are its findings.
    ReadError
        XP1011: more threads, shared memory or NRAM than the device has; a finding in a checked run.
    SetupError
        XP6002 without a C++ compiler; XP6003 where it refuses the text, with the place.
    """
    if kernel.entry is None or kernel.params is None:
        raise ValueError("run_text takes a resolved kernel: entry and params are missing")
    text = kernel.source if text is None else text
    alignment = alignment_of(kernel.dialect, text) if build != "checked" else DEVICE_ALIGNMENT
    symbols = dict(symbols or {})
    handed = arguments(kernel, arrays, scalars, symbols, alignment, build=build)
    for name in sorted(symbols):
        if not re.search(rf"\b{re.escape(name)}\b", text):
            raise CheckError("XP5007", f"the kernel has no global variable {name!r}")
    how = How(arch, mode or kernel.mode, build, flags, tuple(sorted(symbols)))
    path = build_library(kernel, text, how)
    variables = _symbols(path, symbols)
    everything = [*handed.arrays, *(array for _, array in variables)]
    report = worker.new_report()
    error: XpilerError | None = None
    ending: Finding | None = None
    try:
        launch = launch_of(kernel, text, arch)
        launch.filler = filler
        _check_shared(kernel, path, arch)
        if kernel.dialect == "bang":
            bang.check_capacity(memory.variables(path), arch or DEFAULT_ARCH)

        def task(report: worker.Report) -> None:
            library = ctypes.CDLL(str(path))
            launch.report = ctypes.pointer(report)
            report.base = memory.register(
                library, path, handed.arrays, dynamic=launch.dynamic_shared > 0
            )
            for variable, array in variables:
                ctypes.memmove(report.base + variable.value, array.address, variable.size)
            if kernel.dialect == "bang":
                library.xp_bang_start()
            if build == "checked":
                library.xp_check()
            sandbox.seal()
            library.xp_entry(ctypes.byref(launch), handed.args, handed.count)
            for variable, array in variables:
                ctypes.memmove(array.address, report.base + variable.value, variable.size)

        worker.run(task, everything, seconds, span=lambda line: _line(kernel, line), report=report)
    except XpilerError as raised:
        error = _placed(raised, report, kernel, path)
        ending = from_error(error) if build == "checked" else None
        if ending is None:
            raise error from None
    found = tuple(_findings(report, kernel, path))
    # What ends a checked run was mostly noted just before, with more to tell. This processor, too,
    # may refuse a misaligned access.
    told = {one.kind for one in found}
    if ending and ending.kind not in told and not (ending.kind == "crash" and _MISALIGNED in told):
        found += (ending,)
    results = {array.name: array.array.copy() for array in everything}
    return Run(results, report.seconds, found, complete=error is None)


def _findings(report: worker.Report, kernel: Kernel, path: Path) -> list[Finding]:
    return from_report(
        report,
        lambda line: _line(kernel, line),
        lambda stack: _on_stack(kernel, path, stack),
        lambda address: line_table(path).in_text(address),
    )


def _line(kernel: Kernel, line: int) -> Span | None:
    return span_at(kernel, line, 1) if line else None


def _symbols(path: Path, given: Mapping[str, np.ndarray]) -> list[tuple[memory.Variable, Guarded]]:
    """The library's variables that take a value before the run, each with a shared copy of it."""
    known = {one.name: one for one in memory.variables(path) if one.spaces == SPACES["GDRAM"]}
    found = []
    for name, values in sorted(given.items()):
        variable = known.get(name)
        if variable is None:
            raise CheckError("XP5007", f"the kernel uses no global variable {name!r}")
        if variable.size != values.nbytes:
            raise CheckError(
                "XP5007", f"{name!r} has {variable.size} bytes, {values.nbytes} were given"
            )
        shared = Guarded(name, values.shape, values.dtype)
        shared.array[...] = values
        found.append((variable, shared))
    return found


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


def _check_shared(kernel: Kernel, path: Path, arch: str | None) -> None:
    """Raises `ReadError` XP1011 where a block's shared memory exceeds what the device has."""
    if kernel.dialect not in DEFAULT_GPUS or kernel.launch is None:
        return
    gpu = gpu_of(kernel.dialect, arch)
    static = sum(one.size for one in memory.variables(path) if one.thread_local)
    dynamic = kernel.launch.shared_bytes
    for what, size, limit in (
        ("static shared memory", static, gpu.static_shared),
        ("shared memory", static + dynamic, gpu.shared),
    ):
        if size > limit:
            raise ReadError("XP1011", f"{size} bytes of {what}, of {limit} on {gpu.name} at most")
