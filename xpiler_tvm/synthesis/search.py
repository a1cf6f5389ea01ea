"""Looks for values of holes with which a program does what it should, the nearest first.

Runs decide; what is tried in which order is guided by them:

1. single changes that are near the text;
2. what z3 makes of traces (`solving`), where a site's wanted values are known;
3. pairs of changes each of which brings the outputs nearer to what is right;
4. all other single changes;
5. from the best of these, further changes, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice

from .grammar import Change
from .holes import rendered
from .trials import Outcome, Trials

Changes = tuple[Change, ...]

NEAR = 2.0
"""Changes of at most that cost are tried before anything else."""
_BATCHES = (150, 450, 1000, 2000)
_PROMISING, _STARTS = 24, 3


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

    def solutions(self) -> Iterator[Changes]:
        """Sets of changes with which every example comes out right, the nearest first."""
        near = [one for one in self.changes if one.cost <= NEAR]
        yield from self._singles(near)
        yield from self._right(list(self.proposals()))
        yield from self._pairs()
        yield from self._singles(self.changes[len(near) :])
        yield from self._pairs()
        yield from self._further()

    @property
    def exhausted(self) -> bool:
        """Whether every single change was tried."""
        return len(self.outcomes) == len(self.changes)

    # ------------------------------------------------------------ stages

    def _singles(self, changes: Sequence[Change]) -> Iterator[Changes]:
        for part in _batches(changes):
            yield from self._right([(one,) for one in part])

    def _pairs(self) -> Iterator[Changes]:
        """Pairs of promising changes that do not lie in one another."""
        good = self._promising()
        pairs = [
            (one, other)
            for one, other in combinations(good, 2)
            if _apart(one, other) and self._fits(one, other)
        ]
        yield from self._right(sorted(pairs, key=_cost))

    def _fits(self, one: Change, other: Change) -> bool:
        """Whether two changes may mend different parts: not where both miss the same outputs
        that either of them alone leaves wrong, unless all of these are wrong without them."""
        first, second = self.outcomes[one], self.outcomes[other]
        if first.failed or second.failed:
            return True
        return first.mark != second.mark

    def _further(self) -> Iterator[Changes]:
        """Goes on from the best single changes, among those near the text."""
        near = [one for one in self.changes if one.cost <= NEAR]
        for start in self._promising()[:_STARTS]:
            for part in _batches([one for one in near if _apart(one, start)]):
                yield from self._right([(start, one) for one in part])

    # ------------------------------------------------------------ what runs tell

    def _promising(self) -> list[Change]:
        """The changes after which least is wrong, one for each outcome."""
        best: dict[tuple[int, int], Change] = {}
        for change, outcome in self.outcomes.items():
            if not self._better(outcome):
                continue
            key = (outcome.mark, outcome.wrong)
            if key not in best or change.cost < best[key].cost:
                best[key] = change
        ranked = sorted(best.values(), key=lambda one: (self._badness(one), one.cost))
        return ranked[:_PROMISING]

    def _badness(self, change: Change) -> tuple[int, int]:
        outcome = self.outcomes[change]
        return (outcome.wrong, outcome.mass)

    def _better(self, outcome: Outcome) -> bool:
        if outcome.failed:
            return False
        if self.base.failed:
            return True
        return (outcome.wrong, outcome.mass) < (self.base.wrong, self.base.mass)

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
        for example in range(1, len(self.trials.examples)):
            if found:
                again = self.trials.run([_fills(one) for one in found], example)
                self.budget.used += len(found)
                found = [one for one, out in zip(found, again, strict=True) if out.right]
        yield from sorted(found, key=_nearness)


def _fills(changes: Changes) -> dict[int, object]:
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


def _batches(changes: Sequence[Change]) -> Iterator[list[Change]]:
    waiting, sizes = iter(changes), iter(_BATCHES)
    size = next(sizes)
    while part := list(islice(waiting, size)):
        yield part
        size = next(sizes, _BATCHES[-1])
