"""A roofline: where a scheduled program stands below what its device reaches at most.

Two points: the program as its accesses ask for global memory, without any cache, and as if every
parameter moved once. What a device makes of it lies between the two lines down from them.
Williams, Waterman, Patterson: Roofline, CACM 52 (4), 2009.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from xpiler_tvm.dialects.peaks import PEAKS

from .nest import work_of
from .page import part

if TYPE_CHECKING:
    import tvm

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 560, 260, 64, 40, 16


@dataclass(frozen=True)
class Point:
    label: str
    intensity: float
    rate: float
    x: float
    y: float
    below: bool


def roofline(mod: tvm.IRModule, target: str) -> Markup | None:
    """The plot; `None` for a target without a peak, or a program that computes nothing."""
    peak = PEAKS.get(target.partition(":")[0])
    work = work_of(mod)
    asked = work.traffic.get("global", 0)
    if peak is None or not work.operations or not asked or not work.parameters:
        return None
    ridge = peak.operations / peak.bandwidth
    intensities = {
        "as accesses ask": work.operations / asked,
        "each parameter once": work.operations / work.parameters,
    }
    low = math.floor(math.log10(min(*intensities.values(), ridge) / 2))
    high = math.ceil(math.log10(max(*intensities.values(), ridge) * 2))
    top = math.ceil(math.log10(peak.operations))
    bottom = math.floor(math.log10(peak.bandwidth * 10.0**low))

    def x(intensity: float) -> float:
        return _LEFT + (math.log10(intensity) - low) / (high - low) * (_WIDTH - _LEFT - 10)

    def y(rate: float) -> float:
        share = (math.log10(rate) - bottom) / (top - bottom)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)

    points = []
    for number, (label, intensity) in enumerate(intensities.items()):
        rate = min(peak.operations, intensity * peak.bandwidth)
        points.append(Point(label, intensity, rate, x(intensity), y(rate), number == 0))
    corner = (x(ridge), y(peak.operations))
    return part(
        "roofline.html",
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        base=_HEIGHT - _BOTTOM,
        top=_TOP,
        roof=[(x(10.0**low), y(peak.bandwidth * 10.0**low)), corner, (_WIDTH - 10, corner[1])],
        points=points,
        across=[(x(10.0**n), _power(n)) for n in range(low, high + 1)],
        up=[(y(10.0**n), _power(n - 9)) for n in range(bottom, top + 1)],
        peak=peak,
    )


def _power(exponent: int) -> str:
    return f"{10.0**exponent:g}"
