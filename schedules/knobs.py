"""Choices that rules make by rule of thumb, and that a search may make otherwise.

    height = knob("rows of a tile", 8, (4, 6, 8, 12))

is 8, unless it stands inside of

    with choosing(lambda name, default, options: 12) as asked: ...

where it is 12. `asked` lists what was asked for, in order: what may be asked depends on what was
answered before, so a space is found by running the rules. A choice may be bad, or one that TVM
refuses; it must never make a program wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias, TypeVar

Value: TypeAlias = "int | str"
"""What a knob can be set to: numbers and words survive JSON."""

Decide: TypeAlias = "Callable[[str, Value, tuple[Value, ...]], Value]"
"""Makes a choice from its name, the rule's own choice, and all options, that one included."""

AS_MODELLED = "as modelled"
"""The choice of what a cost model says is best."""

Chosen = TypeVar("Chosen", int, str)


@dataclass(frozen=True)
class Knob:
    """One choice: its name, what it can be, the rule's own choice, and what was taken."""

    name: str
    options: tuple[Value, ...]
    default: Value
    value: Value


@dataclass
class _Choices:
    decide: Decide
    asked: list[Knob] = field(default_factory=list)


_CURRENT: ContextVar[_Choices | None] = ContextVar("choices", default=None)


@contextmanager
def choosing(decide: Decide) -> Iterator[list[Knob]]:
    """Within it knobs are what `decide` says; what is no option is the default."""
    choices = _Choices(decide)
    token = _CURRENT.set(choices)
    try:
        yield choices.asked
    finally:
        _CURRENT.reset(token)


def knob(name: str, default: Chosen, options: Sequence[Chosen]) -> Chosen:
    """The value of a choice: `default`, which need not be among the options, unless chosen."""
    choices = _CURRENT.get()
    if choices is None:
        return default
    every: tuple[Chosen, ...] = tuple(dict.fromkeys(chain((default,), options)))
    # A rule that looks at a program twice means the same choice.
    known = next((each for each in choices.asked if each.name == name), None)
    wanted = known.value if known else choices.decide(name, default, every)
    value: Chosen = next((each for each in every if each == wanted), default)
    if known is None:
        choices.asked.append(Knob(name, every, default, value))
    return value


def asked() -> int:
    """How many choices were made so far in the innermost `choosing`; 0 outside of any."""
    choices = _CURRENT.get()
    return len(choices.asked) if choices else 0
