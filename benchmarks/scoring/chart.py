"""Pictures: accuracy by operator and direction, ratios by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def bars(ratios: Mapping[str, float], title: str) -> str:
    """An SVG with a bar for each name, and a line where the ratio is one."""
    line, left, unit = 18, 200, 240
    most = max(1.0, *ratios.values()) if ratios else 1.0
    width, height = left + unit * most + 60, 40 + line * len(ratios)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width:.0f}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="20">{escape(title)}</text>',
    ]
    for at, (name, ratio) in enumerate(ratios.items()):
        y = 32 + line * at
        fill = _colour(1.0 if ratio >= 1 else max(0.0, ratio - 0.5))
        parts += [
            f'<text x="{left - 6}" y="{y + 12}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left}" y="{y}" width="{unit * ratio:.1f}" height="{line - 4}" '
            f'fill="{fill}"/>',
            f'<text x="{left + unit * ratio + 4:.1f}" y="{y + 12}">{ratio:.2f}</text>',
        ]
    parts.append(
        f'<line x1="{left + unit}" x2="{left + unit}" y1="28" y2="{height}" '
        'stroke="black" stroke-dasharray="4 3"/>'
    )
    return "\n".join([*parts, "</svg>\n"])
