"""The random draws a program is made from, and the smallest draws that still show a fault."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

LIMIT = 1 << 30


class Choices:
    """A sequence of draws: of a seed, or given ones, behind whose end every draw is zero.

    Zero is the simplest choice everywhere, so that any shorter or smaller sequence is a simpler
    program. `spans` are the draws that made one part each, which may be left out as a whole.
    """

    def __init__(self, seed: int | str | None = None, given: Sequence[int] = ()) -> None:
        self._random = None if seed is None else random.Random(seed)
        self._given = given
        self.draws: list[int] = []
        self.spans: list[tuple[int, int]] = []

    def below(self, count: int) -> int:
        """A number from 0 to `count - 1`."""
        place = len(self.draws)
        if self._random is not None:
            drawn = self._random.randrange(LIMIT)
        else:
            drawn = self._given[place] if place < len(self._given) else 0
        self.draws.append(drawn)
        return drawn * count // LIMIT  # so that one choice more or less moves few others

    def between(self, low: int, high: int) -> int:
        """A number of the closed interval, zero or what is next to it first."""
        first = min(max(0, low), high)
        return low + (first - low + self.below(high - low + 1)) % (high - low + 1)

    def chance(self, percent: int) -> bool:
        return self.below(100) >= 100 - percent

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[tuple[int, T]]) -> T:
        at = self.below(sum(weight for weight, _ in items))
        for weight, item in items:
            if at < weight:
                return item
            at -= weight
        raise AssertionError("the weights add up")

    @contextmanager
    def span(self) -> Iterator[None]:
        start = len(self.draws)
        yield
        self.spans.append((start, len(self.draws)))

    def parts(self, most: int, percent: int = 80) -> Iterator[int]:
        """Up to `most` parts, each of which can be left out."""
        for number in range(most):
            with self.span():
                if not self.chance(percent):
                    return
                yield number


def shrunk(
    draws: Sequence[int], holds: Callable[[Choices], bool], make: Callable[[Choices], object],
    seconds: float,
) -> list[int]:  # fmt: skip
    """Fewer and smaller draws for which `holds` still does, found within about `seconds`.

    `make` takes the draws a program needs; `holds` makes one and looks at it.
    """
    end, best = time.monotonic() + seconds, _used(draws, make)
    refused: set[tuple[int, ...]] = set()

    def better(candidate: list[int]) -> bool:
        nonlocal best
        key = tuple(candidate)
        if key in refused or _weight(candidate) >= _weight(best.draws):
            return False
        refused.add(key)
        choices = Choices(given=candidate)
        if time.monotonic() > end or not holds(choices):
            return False
        best = _used(choices.draws, make)
        return True

    for simpler in (_without, _as_simplest, _as_zero):
        progress = True
        while progress and time.monotonic() < end:
            progress = False
            place = 0
            while place < len(best.spans):
                spans = sorted(best.spans, key=lambda span: span[0] - span[1])
                if better(simpler(best.draws, *spans[place])):
                    progress = True
                else:
                    place += 1
    return best.draws


def _used(draws: Sequence[int], make: Callable[[Choices], object]) -> Choices:
    choices = Choices(given=draws)
    make(choices)
    return choices


def _weight(draws: Sequence[int]) -> tuple[int, int]:
    return len(draws), sum(map(bool, draws))


def _without(draws: list[int], start: int, end: int) -> list[int]:
    return draws[:start] + draws[end:]


def _as_simplest(draws: list[int], start: int, end: int) -> list[int]:
    return draws[:start] + [0, 0][: end - start] + draws[end:]


def _as_zero(draws: list[int], start: int, end: int) -> list[int]:
    return draws[:start] + [0] * (end - start) + draws[end:]
