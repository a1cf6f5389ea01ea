"""The targets: `get("hip")` gives limits, schedule rules and the emitter, one file each.

`bang()`, `cuda()`, `hip()` and `vnni()` are targets of `tvm.compile`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpiler_tvm.errors import ReadError

from .bang import BANG
from .base import Emitted, Limits, TargetSpec
from .cuda import CUDA, nvidia
from .hip import HIP, amd
from .opencl import OPENCL
from .vnni import VNNI, cpu

if TYPE_CHECKING:
    from tvm.target import Target

__all__ = ["TARGETS", "Emitted", "Limits", "TargetSpec", "bang", "cuda", "get", "hip", "vnni"]

TARGETS: dict[str, TargetSpec] = {spec.name: spec for spec in (HIP, BANG, VNNI, CUDA, OPENCL)}


def get(name: str) -> TargetSpec:
    """The target of a name, also of one for a device: `vnni:haswell`, `cuda:sm_90`, `hip:gfx942`.

    Raises `ReadError` XP1012 where there is none.
    """
    family, _, device = name.partition(":")
    of_device = {VNNI.name: cpu, CUDA.name: nvidia, HIP.name: amd}
    if device and family in of_device:
        return of_device[family](device)
    if name not in TARGETS:
        raise ReadError(
            "XP1012", f"{name!r} is no target", hint=f"one of {', '.join(sorted(TARGETS))}"
        )
    return TARGETS[name]


# The names of the modules that describe them, which are loaded by now.
def bang() -> Target:
    """The target of `tvm.compile` for MLUs: a module of BANG C, which runs emulated."""
    from .compiling import device_target

    return device_target(BANG, ["bang", "gpu"])


def hip() -> Target:
    """The target of `tvm.compile` for AMD GPUs as HIP; it runs there, or emulated."""
    from .compiling import device_target

    return device_target(HIP, ["hip", "gpu"])


def cuda() -> Target:
    """TVM's own target for NVIDIA GPUs."""
    return CUDA.target()


def vnni() -> Target:
    """TVM's own target for CPUs with AVX-512 VNNI."""
    return VNNI.target()
