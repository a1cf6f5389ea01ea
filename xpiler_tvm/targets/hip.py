"""HIP C++ for AMD GPUs of the CDNA family, whose waves have 64 lanes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xpiler_tvm.dialects.simt import MAX_THREADS

from .base import Compiler, Emitted, Limits, Memory, TargetSpec
from .cuda import AXES

if TYPE_CHECKING:
    import tvm
    from tvm.target import Target

    from xpiler_tvm.kernel import Kernel
    from xpiler_tvm.schedules.base import Rule

    from .base import Accept, Ranges

ARCH = "gfx90a"
LIMITS = Limits(
    max_threads=MAX_THREADS,
    warp=64,
    axes=AXES,
    memories=(Memory("shared", 64 * 1024, 16), Memory("local", 256 * 1024)),
)


def _target() -> Target:
    from xpiler_tvm.codegen.hip import hip_target

    return hip_target()


def _rules() -> tuple[tuple[Rule, ...], Accept | None]:
    from xpiler_tvm.schedules import gpu

    from .device import one_kernel

    limits = gpu.GpuLimits(LIMITS.max_threads, LIMITS.warp, LIMITS.bytes_of("shared"))
    return gpu.rules(limits, gpu.mfma(ARCH), turned=True), one_kernel(_target(), LIMITS)


def _emit(mod: tvm.IRModule, kernel: Kernel) -> Emitted:
    from xpiler_tvm.codegen.hip import emit_hip

    text, emitted = emit_hip(mod, kernel)
    return Emitted(text, emitted, str(emitted.entry))


def _functions() -> Mapping[str, str]:
    from xpiler_tvm.codegen.hip import HIP as PRINTED

    return PRINTED.functions


def _main(kernel: Kernel, ranges: Ranges) -> str:
    from xpiler_tvm.codegen.hip import HIP as PRINTED
    from xpiler_tvm.codegen.host_main import gpu_api, host_main

    return host_main(kernel, PRINTED, gpu_api("hip"), ranges)


HIP = TargetSpec(
    "hip",
    ".hip",
    "HIP C++ for AMD GPUs",
    LIMITS,
    _target,
    _rules,
    _emit,
    Compiler(
        ("hipcc", "--offload-arch={arch}", "-c", "-o", "/dev/null", "{file}"), "__HIPCC__", ARCH
    ),
    _main,
    _functions,
)
