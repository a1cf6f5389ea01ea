"""A schedule that somebody gives: its trace, replayed as a rule of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import tvm
from tvm import s_tir

from xpiler_tvm.errors import ScheduleError

from .base import Declined, fresh

Given: TypeAlias = "s_tir.Trace | s_tir.Schedule | str | Path | Sequence[Any]"


@dataclass(frozen=True, eq=False)
class Replay:
    """Applies a trace, given as TVM's JSON of it: `[instructions, decisions]`."""

    trace: Sequence[Any]

    @property
    def name(self) -> str:
        return "given"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        try:
            s_tir.Trace.apply_json_to_schedule(self.trace, sch)
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            lines = str(error).strip().splitlines() or ["refused without a message"]
            return Declined(lines[-1].removeprefix("ScheduleError: "))
        return sch


def rule_of(given: Given) -> Replay:
    """The rule of what was given. Raises `ScheduleError` XP3002 where that is no trace."""
    if isinstance(given, s_tir.Schedule):
        given = given.trace
    if isinstance(given, s_tir.Trace):
        return Replay(given.as_json())
    if isinstance(given, str | Path):
        given = _read(Path(given))
    if not _is_trace(given):
        raise ScheduleError(
            "XP3002",
            "what was given as a schedule is no trace",
            hint="a trace, a schedule, or the file that `Explorer.save` writes",
        )
    return Replay(given)


def _read(path: Path) -> Any:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScheduleError("XP3002", f"{path} holds no trace: {error}") from None
    return found["trace"] if isinstance(found, dict) and "trace" in found else found


def _is_trace(value: Any) -> bool:
    """Instructions are lists that begin with their kind; each decision has the number of one."""
    return (
        isinstance(value, Sequence)
        and len(value) == 2
        and all(isinstance(part, Sequence) for part in value)
        and all(isinstance(step, Sequence) and len(step) == 4 for step in value[0])
    )
