"""A complete BANG C file: NRAM arrays, the kernel, and a host function that launches it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

import tvm
from tvm import tirx
from tvm.target import Target

from xpiler_tvm.codegen.c_family import (
    INDENT,
    arguments,
    banner,
    buffer_size,
    entry_name,
    signature,
)
from xpiler_tvm.codegen.lower import DeviceFunction, device_function
from xpiler_tvm.dialects.bang import ARCHS, DEFAULT_ARCH, Arch, TaskKind
from xpiler_tvm.errors import EmitError, ReadError
from xpiler_tvm.kernel import Kernel, Launch

from .cost import Estimate
from .jobs import Job, job_of
from .memory import ITEM_BYTES, LONGEST_SLOT, MOST_SLOTS, MemoryPlan
from .pipelines import FEWEST_PIECES
from .printer import BangPrinter
from .sharing import with_memory_core
from .spaces import BANG


@functools.cache
def bang_target() -> Target:
    """TVM has no kind for MLUs; `ext_dev` is its kind for devices it does not know."""
    return Target({"kind": "ext_dev", "keys": ["bang", "gpu"], "device": "bang"}, host="llvm")


class Printed(NamedTuple):
    """An emitted file: its text, the kernel in it, the modelled cost, what it does slowly."""

    text: str
    kernel: Kernel
    estimate: Estimate
    slow: tuple[str, ...]


def emit_bang(scheduled_mod: tvm.IRModule, kernel: Kernel, arch: str = DEFAULT_ARCH) -> Printed:
    """The text of a BANG C file, the kernel in it, and what it is modelled to cost.

    Parameters
    ----------
    scheduled_mod : a module whose `main` has one loop bound to `blockIdx.x`: the tasks, or the
        clusters where another is bound to `threadIdx.x`: their cores. Buffers in the scopes
        `local.nram`, `local.wram` and `shared.sram` become arrays in these memories; the memory
        core fills what is in SRAM.
    kernel : the resolved source kernel; the emitted one has the same parameters.
    arch : a key of `dialects.bang.ARCHS`.

    Raises
    ------
    ReadError XP1012 : there is no such architecture.
    EmitError XP4001 : several kernels, or a construct without a form in BANG C.
    EmitError XP4002 : the buffers do not fit into their memories.
    """
    if arch not in ARCHS:
        raise ReadError("XP1012", f"no MLU is called {arch!r}", hint=f"one of {', '.join(ARCHS)}")
    function = device_function(scheduled_mod, bang_target())
    job = job_of(function, ARCHS[arch])
    printer, body = _cheapest(function, kernel, job, ARCHS[arch])
    name, kind = entry_name(kernel), job.kind
    # Where the memory core has a program of its own it must come to every barrier.
    idle = kind.runs_on_mpu and not printer.plan.used("SRAM")
    launch = Launch(tasks=job.tasks, kind=kind.name)
    parts = [
        banner(kernel, f"BANG C for {arch}", f"{job.count} tasks, {kind.name}", scheduled_mod),
        "#include <bang.h>\n",
        "".join(f"{line}\n" for line in printer.plan.declarations()),
        *printer.helpers.values(),
        _kernel_text(name, kernel, body, idle=idle),
        _launcher_text(name, kernel, launch, kind),
    ]
    text = "\n".join(part for part in parts if part)
    written = Kernel(text, "bang", name, kernel.params, launch, filename=f"{name}.mlu")
    estimate = printer.meter.estimate(_parameter_bytes(function))
    return Printed(text, written, estimate, tuple(_warnings(printer.slow, estimate.cycles)))


NOTED = 0.05
"""The part of a task's cycles from which on a scalar loop is told."""


def _warnings(slow: Mapping[str, float], total: float) -> Iterator[str]:
    """What was left scalar, the most costly first."""
    for what, cycles in sorted(slow.items(), key=lambda pair: -pair[1]):
        if cycles >= NOTED * total:
            yield f"{what}; {round(100 * cycles / total)} % of the modelled time"


def _parameter_bytes(function: DeviceFunction) -> int:
    buffers = [param for param in function.params if isinstance(param.ty, tirx.BufferType)]
    return sum((buffer_size(each) or 0) * ITEM_BYTES[str(each.dtype)] for each in buffers)


LARGEST_TABLE = 32 * 1024
"""Bytes of an operand that scalar code reads from NRAM instead, where it is brought as a whole."""


def _small_operands(function: DeviceFunction, kernel: Kernel) -> frozenset[str]:
    """The arrays that are only read and small enough to be tables."""
    read = {each.name for each in kernel.params or () if getattr(each, "intent", "") == "in"}
    sizes = {
        str(param.name): (buffer_size(param) or 0) * ITEM_BYTES[str(param.dtype)]
        for param in function.params
        if isinstance(param.ty, tirx.BufferType)
    }
    return frozenset(name for name, size in sizes.items() if 0 < size <= LARGEST_TABLE) & read


PIPELINE_SLOTS = (32 * 1024, 16 * 1024, 8 * 1024)
"""Bytes of a piece in a pipeline: short ones start early, long ones hide what a copy costs."""


def _cheapest(
    function: DeviceFunction, kernel: Kernel, job: Job, arch: Arch
) -> tuple[BangPrinter, list[str]]:
    """The kernel's body, with tables and software pipelines where these are modelled to pay."""
    shared = with_memory_core(function)
    best, tables = _print(shared, kernel, job, arch), frozenset[str]()
    if shared is not function:
        overlapped = with_memory_core(function, overlapped=True)
        with suppress(EmitError):  # no room for both halves
            other = _print(overlapped, kernel, job, arch)
            if other[0].meter.elapsed < best[0].meter.elapsed:
                best = other
        return best
    small = _small_operands(function, kernel) & best[0].far
    if small:
        with suppress(EmitError):  # no room for them
            other = _print(function, kernel, job, arch, tables=small)
            if other[0].meter.elapsed < best[0].meter.elapsed:
                best, tables = other, small
    longest = best[0].plan.longest
    for slot in PIPELINE_SLOTS:
        if longest < FEWEST_PIECES * slot:
            continue
        try:
            other = _print(function, kernel, job, arch, slot, pipelined=True, tables=tables)
        except EmitError:  # no room for so many slots
            continue
        if other[0].meter.elapsed < best[0].meter.elapsed:
            best = other
    return best


def _print(
    function: DeviceFunction,
    kernel: Kernel,
    job: Job,
    arch: Arch,
    longest: int = LONGEST_SLOT,
    *,
    pipelined: bool = False,
    tables: frozenset[str] = frozenset(),
) -> tuple[BangPrinter, list[str]]:
    """The kernel's body, printed again until slots are as long as can be beside all others."""
    first = min(longest, arch.nram_usable // MOST_SLOTS)
    plan = MemoryPlan(arch, first, longest, pipelined)
    printed: dict[int, tuple[BangPrinter, list[str]]] = {}
    for _ in range(4):
        printer = BangPrinter(function, kernel, job, plan, tables)
        body = printer.body()
        slot = plan.best_slot()
        if slot == plan.slot_bytes or not plan.slots:
            return printer, body
        printed[plan.slot_bytes] = printer, body
        if slot in printed:
            # With short slots longer ones are wished for, which turn out to be of no use.
            return printed[min(printed)]
        plan = MemoryPlan(arch, slot, longest, pipelined)
    raise EmitError("XP4002", "the length of vectors in NRAM does not settle")


def _kernel_text(name: str, kernel: Kernel, body: list[str], *, idle: bool) -> str:
    """The kernel; with `idle` the memory core returns at once."""
    guard = [f"{INDENT}if (__is_mpu()) return;"] if idle else []
    head = f"__mlu_global__ void {name}({signature(kernel, BANG)}) {{"
    return "\n".join([head, *guard, *body, "}", ""])


def _launcher_text(name: str, kernel: Kernel, launch: Launch, kind: TaskKind) -> str:
    x, y, z = launch.tasks
    dim, queue = _unused("dim", kernel), _unused("queue", kernel)
    return "\n".join(
        [
            f'extern "C" cnrtRet_t launch_{name}({signature(kernel, BANG)}, '
            f"cnrtQueue_t {queue}) {{",
            f"{INDENT}cnrtDim3_t {dim} = {{{x}, {y}, {z}}};",
            f"{INDENT}{name}<<<{dim}, {kind.function_type}, {queue}>>>({arguments(kernel)});",
            f"{INDENT}return cnrtGetLastError();",
            "}",
            "",
        ]
    )


def _unused(word: str, kernel: Kernel) -> str:
    """A name that no parameter of the kernel has."""
    names = {param.name for param in kernel.params or ()}
    while word in names:
        word += "_"
    return word
