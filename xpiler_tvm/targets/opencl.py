"""OpenCL C for devices of any vendor; checked on PoCL, or whatever platform pyopencl finds.

Nothing here is read: OpenCL C is a target and no dialect. `docs/add-a-target.md` tells how this
file came to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xpiler_tvm.errors import EmitError

from .base import Arrays, Axis, Compiler, Emitted, Limits, Memory, TargetSpec

if TYPE_CHECKING:
    import tvm
    from tvm.target import Target

    from xpiler_tvm.kernel import Kernel
    from xpiler_tvm.schedules.base import Rule

    from .base import Accept, Ranges

LIMITS = Limits(
    # What every device with the full profile has: groups of 256 items are the common ground.
    max_threads=256,
    warp=32,
    axes=tuple(
        Axis(f"{kind}.{direction}", most)
        for kind, most in (("blockIdx", 65535), ("threadIdx", 256))
        for direction in "xyz"
    ),
    memories=(Memory("shared", 32 * 1024, 16), Memory("local", 64 * 1024)),
)


def _target() -> Target:
    from xpiler_tvm.codegen.opencl import opencl_target

    return opencl_target(LIMITS.max_threads)


def _rules() -> tuple[tuple[Rule, ...], Accept | None]:
    from xpiler_tvm.schedules import gpu

    from .device import one_kernel

    limits = gpu.GpuLimits(LIMITS.max_threads, LIMITS.warp, LIMITS.bytes_of("shared"))
    return gpu.rules(limits), one_kernel(_target(), LIMITS)


def _emit(mod: tvm.IRModule, kernel: Kernel) -> Emitted:
    from xpiler_tvm.codegen.opencl import emit_opencl

    text, name, launch = emit_opencl(mod, kernel, _target())
    return Emitted(text, None, name, launch=launch, params=kernel.params or ())


def _main(kernel: Kernel, ranges: Ranges) -> str:
    raise EmitError("XP4001", "a file of OpenCL C has no host code")


def _functions() -> Mapping[str, str]:
    from xpiler_tvm.codegen.opencl import OPENCL as PRINTED

    return PRINTED.functions


def _run(emitted: Emitted, arrays: Arrays, scalars: Mapping[str, int | float]) -> Arrays:
    from xpiler_tvm.opencl import run

    return run(emitted, arrays, scalars)


OPENCL = TargetSpec(
    "opencl",
    ".cl",
    "OpenCL C for devices of any vendor",
    LIMITS,
    _target,
    _rules,
    _emit,
    Compiler(("clang", "-cl-std=CL1.2", "-fsyntax-only", "{file}"), "__OPENCL_VERSION__"),
    _main,
    _functions,
    _run,
)
