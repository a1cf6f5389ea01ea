"""Accuracy as a heat map: operators down, directions across."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .rows import Row
from .tables import directions

CELL, LEFT, TOP = 26, 130, 110
_UNKNOWN = "#dddddd"


def _colour(part: float) -> str:
    """From red over amber to green, which dark and light pages both show."""
    low, middle, high = (214, 69, 65), (240, 173, 78), (66, 147, 89)
    first, second, at = (low, middle, 2 * part) if part < 0.5 else (middle, high, 2 * part - 1)
    mixed = (round(a + (b - a) * at) for a, b in zip(first, second, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def heat_map(rows: Sequence[Row]) -> str:
    """An SVG; each cell's title says how many of its kernels are right."""
    across = list(directions(rows))
    down = sorted({row.operator for row in rows})
    width, height = LEFT + CELL * len(across) + 10, TOP + CELL * len(down) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for at, (dialect, target) in enumerate(across):
        x = LEFT + CELL * at + CELL / 2 + 4
        parts.append(
            f'<text transform="translate({x},{TOP - 6}) rotate(-60)">{dialect} → {target}</text>'
        )
    for line, operator in enumerate(down):
        y = TOP + CELL * line
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 17}" text-anchor="end">{escape(operator)}</text>'
        )
        for at, pair in enumerate(across):
            some = [r for r in rows if (r.dialect, r.target) == pair and r.operator == operator]
            right = sum(row.right for row in some)
            fill = _colour(right / len(some)) if some else _UNKNOWN
            parts.append(
                f'<rect x="{LEFT + CELL * at}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" '
                f'rx="3" fill="{fill}"><title>{escape(operator)}, {pair[0]} → {pair[1]}: '
                f"{right} of {len(some)} right</title></rect>"
            )
    return "\n".join([*parts, "</svg>\n"])
