"""HIP C++ for AMD GPUs: of the CDNA family with 64 lanes a wave, of the RDNA family with 32."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from xpiler_tvm.dialects.simt import DEFAULT_GPUS, GPUS, MAX_THREADS
from xpiler_tvm.errors import ReadError

from .base import Compiler, Emitted, Limits, Memory, TargetSpec
from .cuda import AXES

if TYPE_CHECKING:
    import tvm
    from tvm.target import Target

    from xpiler_tvm.kernel import Kernel
    from xpiler_tvm.schedules.base import Rule

    from .base import Accept, Ranges

ARCH = DEFAULT_GPUS["hip"]


def _limits(arch: str) -> Limits:
    gpu = GPUS[arch]
    memories = (Memory("shared", gpu.static_shared, 16), Memory("local", 256 * 1024))
    return Limits(MAX_THREADS, gpu.warp, AXES, memories)


def _target(arch: str) -> Target:
    from xpiler_tvm.codegen.hip import hip_target

    return hip_target(arch)


def _rules(arch: str) -> tuple[tuple[Rule, ...], Accept | None]:
    from xpiler_tvm.schedules import gpu

    from .device import one_kernel

    device = _limits(arch)
    limits = gpu.GpuLimits(device.max_threads, device.warp, device.bytes_of("shared"))
    return gpu.rules(limits, gpu.mfma(arch)), one_kernel(_target(arch), device)


def _emit(arch: str, mod: tvm.IRModule, kernel: Kernel) -> Emitted:
    from xpiler_tvm.codegen.hip import emit_hip

    text, emitted = emit_hip(mod, kernel, arch)
    return Emitted(text, emitted, str(emitted.entry))


def _assembly(arch: str, mod: tvm.IRModule, kernel: Kernel) -> Mapping[str, str]:
    from xpiler_tvm.codegen.rocm import rocm_texts

    return rocm_texts(mod, kernel, arch)


def _functions() -> Mapping[str, str]:
    from xpiler_tvm.codegen.hip import HIP as PRINTED

    return PRINTED.functions


def _main(kernel: Kernel, ranges: Ranges) -> str:
    from xpiler_tvm.codegen.hip import HIP as PRINTED
    from xpiler_tvm.codegen.host_main import gpu_api, host_main

    return host_main(kernel, PRINTED, gpu_api("hip"), ranges)


def amd(arch: str = "") -> TargetSpec:
    """The target for an architecture; `gfx90a` unless another one is named.

    Raises `ReadError` XP1012 where it is not known.
    """
    known = [name for name, gpu in sorted(GPUS.items()) if gpu.dialect == "hip"]
    if arch and arch not in known:
        raise ReadError("XP1012", f"no {arch!r} for hip", hint=f"one of {', '.join(known)}")
    chosen = arch or ARCH
    return TargetSpec(
        f"hip:{arch}" if arch else "hip",
        ".hip",
        "HIP C++ for AMD GPUs",
        _limits(chosen),
        partial(_target, chosen),
        partial(_rules, chosen),
        partial(_emit, chosen),
        Compiler(
            ("hipcc", "--offload-arch={arch}", "-c", "-o", "/dev/null", "{file}"),
            "__HIPCC__",
            chosen,
        ),
        _main,
        _functions,
        other_texts=partial(_assembly, chosen),
    )


HIP = amd()
