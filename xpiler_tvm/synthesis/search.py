"""Looks for values of holes with which a program does what it should, the nearest first.

Runs decide; what is tried in which order is guided by them:

1. single changes that are near the text;
2. what z3 makes of traces (`solving`), where a site's wanted values are known;
3. pairs of changes each of which brings outputs nearer to what is right, also where all inputs
   but one are constant, so that one mistake of several is seen alone;
4. pairs of one of the best and any that is close to the text, and pairs within a line;
5. all other single changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from typing import TypeVar

from .grammar import Change
from .holes import Fill, rendered
from .trials import Outcome, Trials

Changes = tuple[Change, ...]
T = TypeVar("T")

NEAR = 2.0
"""Changes of at most that cost are tried before anything else."""
_BATCHES = (150, 450, 1000, 2000)
_PROMISING, _STARTS = 24, 3
# What pairs are made of is at most that far from the text.
_CLOSE, _MOST_NEIGHBOURS = 1.7, 8000


@dataclass
class Budget:
    """How many runs a search may take, and how many it took."""

    runs: int
    used: int = 0

    @property
    def left(self) -> int:
        return max(0, self.runs - self.used)


@dataclass
class Search:
    """The state of one search; `solutions` is what it finds, on the first example right."""

    trials: Trials
    changes: Sequence[Change]
    base: Outcome
    budget: Budget
    proposals: Callable[[], Iterable[Changes]] = tuple
    outcomes: dict[Change, Outcome] = field(default_factory=dict)
    isolated: list[tuple[Outcome, dict[Change, Outcome]]] = field(default_factory=list)

    def solutions(self) -> Iterator[Changes]:
        """Sets of changes with which every example comes out right, the nearest first."""
        near = [one for one in self.changes if one.cost <= NEAR]
        yield from self._singles(near)
        yield from self._right(list(self.proposals()))
        close = [one for one in near if one.cost <= _CLOSE]
        yield from self._pairs(close)
        yield from self._further(close)
        yield from self._neighbours(close)
        yield from self._singles(self.changes[len(near) :])

    @property
    def exhausted(self) -> bool:
        """Whether every single change was tried."""
        return len(self.outcomes) == len(self.changes)

    # ------------------------------------------------------------ stages

    def _singles(self, changes: Sequence[Change]) -> Iterator[Changes]:
        for part in _batches(changes):
            yield from self._right([(one,) for one in part])

    def _pairs(self, close: Sequence[Change]) -> Iterator[Changes]:
        """Pairs of promising changes: what mends one mistake, and what mends the other."""
        self._isolate(close)
        pairs = [pair for pair in combinations(self._promising(), 2) if _apart(*pair)]
        yield from self._right(sorted(pairs, key=_cost))

    def _further(self, close: Sequence[Change]) -> Iterator[Changes]:
        """Goes on from the best single changes, among those close to the text."""
        for start in self._promising()[:_STARTS]:
            for part in _batches([one for one in close if _apart(one, start)]):
                yield from self._right([(start, one) for one in part])

    def _neighbours(self, close: Sequence[Change]) -> Iterator[Changes]:
        """Pairs of close changes within a line: two mistakes in one statement."""
        lines: dict[int, list[Change]] = {}
        for one in close:
            lines.setdefault(one.site.line, []).append(one)
        pairs = [pair for some in lines.values() for pair in combinations(some, 2) if _apart(*pair)]
        for part in _batches(sorted(pairs, key=_cost)[:_MOST_NEIGHBOURS]):
            yield from self._right(part)

    # ------------------------------------------------------------ what runs tell

    def _isolate(self, close: Sequence[Change]) -> None:
        """Tries close changes on the examples that show one input alone."""
        tried: list[dict[int, Fill]] = [{}, *(_fills((one,)) for one in close)]
        for example in self.trials.isolating:
            if self.budget.left < len(tried):
                return
            base, *found = self.trials.run(tried, example)
            self.budget.used += len(tried)
            if not base.right:  # else this input's mistakes are none
                self.isolated.append((base, dict(zip(close, found, strict=True))))

    def _promising(self) -> list[Change]:
        """The changes after which least is wrong, on any example, one for each outcome."""
        ranks: dict[Change, int] = {}
        for base, outcomes in [*self.isolated, (self.base, self.outcomes)]:
            best: dict[tuple[int, int, bool], Change] = {}
            for change, outcome in outcomes.items():
                if outcome.badness >= base.badness:
                    continue
                key = (outcome.mark, outcome.wrong, outcome.failed)
                if key not in best or change.cost < best[key].cost:
                    best[key] = change
            ranked = sorted(best.values(), key=lambda one: (outcomes[one].badness, one.cost))
            for rank, change in enumerate(ranked[:_PROMISING]):
                ranks[change] = min(rank, ranks.get(change, rank))
        order = sorted(ranks, key=lambda one: (ranks[one], one.cost, one.site.number))
        return order[: 2 * _PROMISING]

    def _right(self, tried: Sequence[Changes]) -> Iterator[Changes]:
        """Those of `tried` that come out right, the nearest first."""
        tried = tried[: self.budget.left]
        if not tried:
            return
        outcomes = self.trials.run([_fills(one) for one in tried])
        self.budget.used += len(tried)
        for one, outcome in zip(tried, outcomes, strict=True):
            if len(one) == 1:
                self.outcomes[one[0]] = outcome
        found = [one for one, outcome in zip(tried, outcomes, strict=True) if outcome.right]
        for example in range(1, len(self.trials.examples) - len(self.trials.isolating)):
            if found:
                again = self.trials.run([_fills(one) for one in found], example)
                self.budget.used += len(found)
                found = [one for one, out in zip(found, again, strict=True) if out.right]
        yield from sorted(found, key=_nearness)


def _fills(changes: Changes) -> dict[int, Fill]:
    return {one.site.number: one.fill for one in changes}


def _cost(changes: Changes) -> float:
    return sum(one.cost for one in changes)


def _nearness(changes: Changes) -> tuple[float, int, int, int]:
    """Cost, then characters that are new, then those that go, then where."""
    sizes = [_edit(one.site.text, rendered(one.site, one.fill)) for one in changes]
    new, gone = (sum(parts) for parts in zip(*sizes, strict=True))
    return (round(_cost(changes), 1), new, gone, changes[0].site.number)


def _edit(old: str, new: str) -> tuple[int, int]:
    """Characters that are new and that go between a common beginning and a common end."""
    shorter = min(len(old), len(new))
    start = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    end = next(
        (at for at in range(shorter - start) if old[-1 - at] != new[-1 - at]), shorter - start
    )
    return len(new) - start - end, len(old) - start - end


def _apart(one: Change, other: Change) -> bool:
    """Whether two changes are of different places, neither inside the other."""
    a, b = one.site.node, other.site.node
    return a.end <= b.start or b.end <= a.start


def _batches(changes: Sequence[T]) -> Iterator[list[T]]:
    waiting, sizes = iter(changes), iter(_BATCHES)
    size = next(sizes)
    while part := list(islice(waiting, size)):
        yield part
        size = next(sizes, _BATCHES[-1])
