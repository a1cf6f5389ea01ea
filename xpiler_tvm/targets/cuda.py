"""CUDA C++ for NVIDIA GPUs from sm_70 on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from xpiler_tvm.dialects.simt import GPUS, MAX_BLOCK, MAX_GRID, MAX_THREADS
from xpiler_tvm.errors import ReadError

from .base import Axis, Compiler, Emitted, Limits, Memory, TargetSpec

if TYPE_CHECKING:
    import tvm
    from tvm.target import Target

    from xpiler_tvm.kernel import Kernel
    from xpiler_tvm.schedules.base import Rule

    from .base import Accept, Ranges

AXES = tuple(
    Axis(f"{kind}.{direction}", most)
    for kind, extents in (("blockIdx", MAX_GRID), ("threadIdx", MAX_BLOCK))
    for direction, most in zip("xyz", extents, strict=True)
)
LIMITS = Limits(
    max_threads=MAX_THREADS,
    warp=32,
    axes=AXES,
    # Of 512 KB a thread, the stack included.
    memories=(Memory("shared", 48 * 1024, 16), Memory("local", 256 * 1024)),
)
ARCH = "sm_80"
LEAST_CAPABILITY = 70


def _target(arch: str) -> Target:
    from xpiler_tvm.codegen.cuda import cuda_target

    return cuda_target(arch)


def _rules(arch: str) -> tuple[tuple[Rule, ...], Accept | None]:
    from xpiler_tvm.schedules import gpu

    from .device import one_kernel

    limits = gpu.GpuLimits(LIMITS.max_threads, LIMITS.warp, LIMITS.bytes_of("shared"))
    capability = GPUS[arch].capability
    rules = gpu.rules(limits, gpu.nvidia(capability), stages=3 if capability >= 80 else 1)
    return rules, one_kernel(_target(arch), LIMITS)


def _emit(arch: str, mod: tvm.IRModule, kernel: Kernel) -> Emitted:
    from xpiler_tvm.codegen.cuda import emit_cuda

    text, emitted = emit_cuda(mod, kernel, arch)
    return Emitted(text, emitted, str(emitted.entry))


def _functions() -> Mapping[str, str]:
    from xpiler_tvm.codegen.cuda import CUDA as PRINTED

    return PRINTED.functions


def _main(kernel: Kernel, ranges: Ranges) -> str:
    from xpiler_tvm.codegen.cuda import CUDA as PRINTED
    from xpiler_tvm.codegen.host_main import gpu_api, host_main

    return host_main(kernel, PRINTED, gpu_api("cuda"), ranges)


def nvidia(arch: str = "") -> TargetSpec:
    """The target for an architecture; `sm_80` unless another one is named.

    Raises `ReadError` XP1012 where it is not known or older.
    """
    known = [name for name, gpu in sorted(GPUS.items()) if gpu.capability >= LEAST_CAPABILITY]
    if arch and arch not in known:
        raise ReadError("XP1012", f"no {arch!r} for cuda", hint=f"one of {', '.join(known)}")
    chosen = arch or ARCH
    return TargetSpec(
        f"cuda:{arch}" if arch else "cuda",
        ".cu",
        "CUDA C++ for NVIDIA GPUs",
        LIMITS,
        partial(_target, chosen),
        partial(_rules, chosen),
        partial(_emit, chosen),
        Compiler(
            ("nvcc", "-arch={arch}", "--cubin", "-o", "/dev/null", "{file}"), "__CUDACC__", chosen
        ),
        _main,
        _functions,
    )


CUDA = nvidia()
