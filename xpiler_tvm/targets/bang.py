"""BANG C for Cambricon MLUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpiler_tvm.dialects.bang import ALIGN, ARCHS, CORES_PER_CLUSTER, DEFAULT_ARCH, WRAM_ALIGN

from .base import Axis, Compiler, Emitted, Limits, Memory, TargetSpec

if TYPE_CHECKING:
    import tvm
    from tvm.target import Target

    from xpiler_tvm.kernel import Kernel
    from xpiler_tvm.schedules.base import Rule

    from .base import Accept, Ranges

ARCH = ARCHS[DEFAULT_ARCH]
LIMITS = Limits(
    axes=(Axis("blockIdx.x", 65535), Axis("threadIdx.x", CORES_PER_CLUSTER)),
    memories=(
        Memory("local.nram", ARCH.nram_usable, ALIGN),
        Memory("local.wram", ARCH.wram, WRAM_ALIGN),
        Memory("shared.sram", ARCH.sram_usable, ALIGN, in_turns=True),
    ),
)


def _target() -> Target:
    from xpiler_tvm.codegen_bang import bang_target

    return bang_target()


def _rules() -> tuple[tuple[Rule, ...], Accept | None]:
    from xpiler_tvm.codegen_bang.estimates import seconds_of
    from xpiler_tvm.schedules import bang

    from .device import kernel_of, reasons

    def check(mod: tvm.IRModule) -> None:
        # How many vectors a program keeps in NRAM is known once there is a text.
        if seconds_of(mod) is None:
            _emit(mod, kernel_of(mod, "bang"))  # which says why

    return bang.rules(model=seconds_of), reasons(check)


def _emit(mod: tvm.IRModule, kernel: Kernel) -> Emitted:
    from xpiler_tvm.codegen_bang import emit_bang

    printed = emit_bang(mod, kernel)
    entry = str(printed.kernel.entry)
    cost = {**printed.estimate.as_dict(), "slow": list(printed.slow)}
    return Emitted(printed.text, printed.kernel, entry, cost=cost)


def _main(kernel: Kernel, ranges: Ranges) -> str:
    from xpiler_tvm.codegen.host_main import CNRT, host_main
    from xpiler_tvm.codegen_bang.spaces import BANG as PRINTED

    return host_main(kernel, PRINTED, CNRT, ranges)


BANG = TargetSpec(
    "bang",
    ".mlu",
    "BANG C for Cambricon MLUs",
    LIMITS,
    _target,
    _rules,
    _emit,
    Compiler(("cncc", "--bang-mlu-arch={arch}", "-c", "-o", "/dev/null", "{file}"), "__BANG__"),
    _main,
)
