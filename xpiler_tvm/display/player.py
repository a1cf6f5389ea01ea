"""A schedule as a player: each primitive, what it changed, and what the program then costs."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING

from markupsafe import Markup

from xpiler_tvm.dialects.peaks import PEAKS

from .nest import work_of
from .page import bytes_text, part, seconds_text, unique

if TYPE_CHECKING:
    import tvm

    from xpiler_tvm.stepping import Steps

_CONTEXT = 2


@dataclass(frozen=True)
class _Shot:
    title: str
    cost: str
    diff: tuple[tuple[str, str], ...]


def player(steps: Steps) -> Markup:
    """The steps as a list to choose from; the first is the program before any."""
    shots = [_Shot("before the first step", _cost(steps.start, steps.target), ())]
    before = str(steps.start.script(show_meta=False))
    start = before
    for step in steps:
        cost = _cost(step.mod, steps.target)
        shots.append(_Shot(step.text, cost, _changes(before, step.script)))
        before = step.script
    return part("player.html", identity=unique(start, str(steps)), shots=shots, start=start)


def _changes(before: str, after: str) -> tuple[tuple[str, str], ...]:
    """Lines of the difference, each with its kind."""
    kinds = {"+": "added", "-": "removed"}
    rows = list(unified_diff(before.splitlines(), after.splitlines(), n=_CONTEXT, lineterm=""))
    return tuple(
        (
            "soft" if row.startswith("@@") else kinds.get(row[:1], ""),
            "…" if row[:2] == "@@" else row,
        )
        for row in rows[2:]
    )


def _cost(mod: tvm.IRModule, target: str) -> str:
    """What the program asks for, in a line."""
    peak = PEAKS.get(target.partition(":")[0])
    work = work_of(mod, peak)
    moved = bytes_text(work.traffic.get("global", 0))
    lanes = f"{work.parallel} at a time" if work.parallel > 1 else "nothing in parallel"
    time = "" if work.seconds is None else f"roof {seconds_text(work.seconds)}, "
    return f"{time}{moved} of global memory, {lanes}"
