"""BANG C for Cambricon MLUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Emitted, Limits, TargetSpec

if TYPE_CHECKING:
    import tvm
    from tvm.target import Target

    from xpiler_tvm.kernel import Kernel
    from xpiler_tvm.schedules.base import Rule

    from .base import Accept


def _target() -> Target:
    from xpiler_tvm.codegen_bang import bang_target

    return bang_target()


def _rules() -> tuple[tuple[Rule, ...], Accept | None]:
    from xpiler_tvm.schedules import bang

    from .device import kernel_of, reasons

    def check(mod: tvm.IRModule) -> None:
        # How many vectors a program keeps in NRAM is known once there is a text.
        _emit(mod, kernel_of(mod, "bang"))

    return bang.rules(), reasons(check)


def _emit(mod: tvm.IRModule, kernel: Kernel) -> Emitted:
    from xpiler_tvm.codegen_bang import emit_bang

    text, emitted = emit_bang(mod, kernel)
    return Emitted(text, emitted, str(emitted.entry))


BANG = TargetSpec("bang", ".mlu", "BANG C for Cambricon MLUs", Limits(), _target, _rules, _emit)
