"""CUDA C++ for NVIDIA GPUs from sm_80 on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Emitted, Limits, TargetSpec

if TYPE_CHECKING:
    import tvm
    from tvm.target import Target

    from xpiler_tvm.kernel import Kernel
    from xpiler_tvm.schedules.base import Rule

    from .base import Accept

LIMITS = Limits(max_threads=1024, warp=32, shared_bytes=48 * 1024)
ARCH = "sm_80"


def _target() -> Target:
    from xpiler_tvm.codegen.cuda import cuda_target

    return cuda_target(ARCH)


def _rules() -> tuple[tuple[Rule, ...], Accept | None]:
    from xpiler_tvm.schedules import gpu

    from .device import one_kernel

    limits = gpu.GpuLimits(LIMITS.max_threads, LIMITS.warp, LIMITS.shared_bytes)
    return gpu.rules(limits), one_kernel(_target(), LIMITS)


def _emit(mod: tvm.IRModule, kernel: Kernel) -> Emitted:
    from xpiler_tvm.codegen.cuda import emit_cuda

    text, emitted = emit_cuda(mod, kernel, ARCH)
    return Emitted(text, emitted, str(emitted.entry))


CUDA = TargetSpec("cuda", ".cu", "CUDA C++ for NVIDIA GPUs", LIMITS, _target, _rules, _emit)
