"""The curve of a search: the best so far after each trial, and what the rules made beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from .page import part

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 560, 220, 74, 36, 12


def curve(best: Sequence[float], baseline: float, kind: str) -> Markup:
    """`best` in seconds, infinite before the first that is right; steps on a linear axis."""
    finite = [value for value in best if math.isfinite(value)]
    most = 1.08 * max([*finite, baseline])

    def x(trial: int) -> float:
        return _LEFT + trial / max(1, len(best)) * (_WIDTH - _LEFT - 10)

    def y(seconds: float) -> float:
        return _HEIGHT - _BOTTOM - seconds / most * (_HEIGHT - _BOTTOM - _TOP)

    points: list[tuple[float, float]] = []
    for trial, value in enumerate(best):
        if math.isfinite(value):
            points += [(x(trial), y(value)), (x(trial + 1), y(value))]
    return part(
        "curve.html",
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        base=_HEIGHT - _BOTTOM,
        points=points,
        line=y(baseline),
        ticks=[(y(share * most), share * most) for share in (0.25, 0.5, 0.75, 1.0)],
        trials=len(best),
        kind=kind,
    )
