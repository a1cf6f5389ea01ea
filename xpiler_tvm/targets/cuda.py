"""CUDA C++ for NVIDIA GPUs from sm_80 on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xpiler_tvm.dialects.simt import MAX_BLOCK, MAX_GRID, MAX_THREADS

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


def _target() -> Target:
    from xpiler_tvm.codegen.cuda import cuda_target

    return cuda_target(ARCH)


def _rules() -> tuple[tuple[Rule, ...], Accept | None]:
    from xpiler_tvm.schedules import gpu

    from .device import one_kernel

    limits = gpu.GpuLimits(LIMITS.max_threads, LIMITS.warp, LIMITS.bytes_of("shared"))
    return gpu.rules(limits, gpu.WMMA), one_kernel(_target(), LIMITS)


def _emit(mod: tvm.IRModule, kernel: Kernel) -> Emitted:
    from xpiler_tvm.codegen.cuda import emit_cuda

    text, emitted = emit_cuda(mod, kernel, ARCH)
    return Emitted(text, emitted, str(emitted.entry))


def _functions() -> Mapping[str, str]:
    from xpiler_tvm.codegen.cuda import CUDA as PRINTED

    return PRINTED.functions


def _main(kernel: Kernel, ranges: Ranges) -> str:
    from xpiler_tvm.codegen.cuda import CUDA as PRINTED
    from xpiler_tvm.codegen.host_main import gpu_api, host_main

    return host_main(kernel, PRINTED, gpu_api("cuda"), ranges)


CUDA = TargetSpec(
    "cuda",
    ".cu",
    "CUDA C++ for NVIDIA GPUs",
    LIMITS,
    _target,
    _rules,
    _emit,
    Compiler(("nvcc", "-arch={arch}", "--cubin", "-o", "/dev/null", "{file}"), "__CUDACC__", ARCH),
    _main,
    _functions,
)
