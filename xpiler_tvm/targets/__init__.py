"""The targets: `get("hip")` gives limits, schedule rules and the emitter, one file each."""

from __future__ import annotations

from xpiler_tvm.errors import ReadError

from .bang import BANG
from .base import Emitted, Limits, TargetSpec
from .cuda import CUDA
from .hip import HIP
from .vnni import VNNI

__all__ = ["TARGETS", "Emitted", "Limits", "TargetSpec", "get"]

TARGETS: dict[str, TargetSpec] = {spec.name: spec for spec in (HIP, BANG, VNNI, CUDA)}


def get(name: str) -> TargetSpec:
    """The target of a name. Raises `ReadError` XP1012 where there is none."""
    if name not in TARGETS:
        raise ReadError(
            "XP1012", f"{name!r} is no target", hint=f"one of {', '.join(sorted(TARGETS))}"
        )
    return TARGETS[name]
