"""Choices that rules make by rule of thumb, and that a search may make otherwise.

    height = knob("rows of a tile", 8, (4, 6, 8, 12))

is 8, unless it stands inside of

    with choosing({"rows of a tile": 12}) as choices: ...

where it is 12. `choices.asked` lists what was asked for, in order: what may be asked depends on
what was answered before, so a space is found by running the rules. A choice may be bad, or one that
TVM refuses; it must never make a program wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

Value: TypeAlias = "int | str"
"""What a knob can be set to: numbers and words survive JSON."""

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
class Choices:
    """What is given by name, and what was asked for so far."""

    given: Mapping[str, Value]
    asked: list[Knob] = field(default_factory=list)


_CURRENT: ContextVar[Choices | None] = ContextVar("choices", default=None)


@contextmanager
def choosing(given: Mapping[str, Value]) -> Iterator[Choices]:
    """Within it knobs are what `given` says; what is not given, or no option, is the default."""
    choices = Choices(given)
    token = _CURRENT.set(choices)
    try:
        yield choices
    finally:
        _CURRENT.reset(token)


def knob(name: str, default: Chosen, options: Sequence[Chosen]) -> Chosen:
    """The value of a choice: `default`, which need not be among the options, unless chosen."""
    choices = _CURRENT.get()
    if choices is None:
        return default
    known = next((each for each in choices.asked if each.name == name), None)
    every = tuple(dict.fromkeys((default, *options)))
    if known is not None:
        # A rule that looks at a program twice means the same choice.
        return known.value if known.value in every else default  # type: ignore[return-value]
    wanted = choices.given.get(name, default)
    value = wanted if wanted in every else default
    choices.asked.append(Knob(name, every, default, value))
    return value  # type: ignore[return-value]
