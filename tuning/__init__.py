"""Tuning: a search for schedules better than the rules', started from the rules' own.

space.py      what can be chosen: rules, their knobs, passes behind them
search.py     which candidates to try next, from tree.py, evolution.py and a cost model
bench.py      what a candidate takes: measured on this CPU, modelled for other devices
records.py    what is known from before, on disk
tuner.py      `tune`: all of it together
strategy.py   the same as a search strategy of TVM's MetaSchedule
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tuner import Tuned, best_schedule, tune

_LAZY = {"Tuned": "tuner", "tune": "tuner", "best_schedule": "tuner"}

__all__ = ["Tuned", "best_schedule", "tune"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
