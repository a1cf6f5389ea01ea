"""Which candidates to try next.

Each round the tree and the evolution make a pool of candidates that were not tried yet, the cost
model ranks it, and the best of it is proposed: what is thought to be fast, and what the model does
not know. Some are taken at random, whatever the model says, so that a model or a prior that is
wrong costs time but not the result.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .bench import Outcome
from .evolution import offspring
from .features import features_of
from .model import CostModel, Group
from .space import Candidate, Decisions, Space
from .tree import Prior, Tree, by_rule

POOL = 2
"""Candidates in the pool for each that is proposed."""
ATTEMPTS = 32
"""At something that was not tried, before a space counts as exhausted."""
RANDOM_SHARE = 0.2
CURIOSITY = 0.3
"""How much the model's doubt counts beside its opinion."""
ELITE = 6
PATIENCE = 4.0
"""After so many failures, and no success, the prior has half of its say."""
MOST_REWARD = 4.0
"""Of a candidate by the first one's throughput: one lucky find is not to blind the search."""


@dataclass(frozen=True)
class Options:
    """How a search goes about it.

    Attributes
    ----------
    seed : of all that is random.
    prior : which options the tree opens first.
    starts : decisions to try first: a language model's proposals, what was best before. The rules'
        own schedule comes before them, unless `default` says otherwise.
    use_model : whether the cost model ranks; without, the pool is taken as it comes.
    """

    seed: int = 0
    prior: Prior = by_rule
    starts: Sequence[Decisions] = ()
    default: bool = True
    use_model: bool = True


@dataclass(eq=False)
class Search:
    """A search in a space: `propose`, try them, `observe`, and again."""

    space: Space
    model: CostModel
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        self.generator = random.Random(self.options.seed)
        self.tree = Tree(self.generator, self.options.prior)
        self.tried: dict[str, tuple[Candidate, Outcome | None]] = {}
        self._features: dict[str, np.ndarray] = {}
        self._adapted, self._learnt = self.model, 0
        self._first: float | None = None
        self._failures = 0
        first = [self.space.default] if self.options.default else []
        self._queue = [*first, *filter(None, map(self.space.at, self.options.starts))]

    @property
    def best(self) -> tuple[Candidate, float] | None:
        """The fastest so far, and its seconds."""
        known = self.ranked()
        return known[0] if known else None

    def propose(self, count: int) -> list[Candidate]:
        """Up to `count` candidates of programs that were not tried; fewer where none are found."""
        chosen: list[Candidate] = []
        while self._queue and len(chosen) < count:
            candidate = self._queue.pop(0)
            if candidate.key not in self.tried:
                self.tried[candidate.key] = candidate, None
                chosen.append(candidate)
        if len(chosen) < count:
            chosen += self._from_pool(count - len(chosen))
        if not chosen and self.space.default.key not in self.tried:
            chosen.append(self.space.default)  # rather than to give up
        for candidate in chosen:
            self.tried[candidate.key] = candidate, None
        return chosen

    def observe(self, candidate: Candidate, outcome: Outcome) -> None:
        """Learn what came of a candidate."""
        self.tried[candidate.key] = candidate, outcome
        if outcome.seconds is None:
            self.tree.reward(candidate.knobs, 0.0)
            self._failed()
            return
        self._first = self._first or outcome.seconds
        self.tree.reward(candidate.knobs, min(MOST_REWARD, self._first / outcome.seconds))

    def _failed(self) -> None:
        """While nothing was right yet, the prior may be why."""
        if self._first is None:
            self._failures += 1
            self.tree.mistrust(self._failures / (self._failures + PATIENCE))

    def recall(self, decisions: Decisions, outcome: Outcome) -> Candidate | None:
        """Learn what is on record of some decisions; the candidate, where they still make one."""
        candidate = self.space.at(decisions)
        if candidate is not None:
            self.observe(candidate, outcome)
        return candidate

    # ------------------------------------------------------------ the pool

    def _from_pool(self, count: int) -> list[Candidate]:
        pool: dict[str, Candidate] = {}
        for _ in range(max(ATTEMPTS, 2 * POOL * count)):
            if len(pool) >= POOL * count:
                break
            candidate = self._another()
            if candidate is not None:
                # Known ones too: the next walk goes elsewhere.
                self.tree.expect(candidate.knobs)
                if candidate.key not in self.tried:
                    pool.setdefault(candidate.key, candidate)
        self.tree.forget_pending()
        found = list(pool.values())
        ranked = self._by_score(found)
        at_random = round(RANDOM_SHARE * count) if len(found) > count else 0
        chosen = ranked[: count - at_random]
        rest = ranked[count - at_random :]
        return chosen + self.generator.sample(rest, min(at_random, len(rest)))

    def _another(self) -> Candidate | None:
        elite = [candidate for candidate, _ in self.ranked()[:ELITE]]
        if elite and self.generator.random() < 0.5:
            return self.space.at(offspring(elite, self.generator))
        walk = self.tree.walk()
        candidate = self.space.walk(walk)
        if candidate is None:
            self._refused(walk.before)
        return candidate

    def _refused(self, decisions: Decisions) -> None:
        """A sequence that leads nowhere is a wrong one."""
        self._failed()
        node = self.tree.root
        node.visits += 1
        for value in decisions.values():
            if value not in node.children:
                break
            node = node.children[value]
            node.visits += 1

    def ranked(self) -> list[tuple[Candidate, float]]:
        """What was tried and is right, fastest first."""
        known = [
            (candidate, outcome.seconds)
            for candidate, outcome in self.tried.values()
            if outcome is not None and outcome.seconds is not None
        ]
        return sorted(known, key=lambda pair: pair[1])

    def _by_score(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        shuffled = list(candidates)
        self.generator.shuffle(shuffled)
        if not self.options.use_model or not shuffled:
            return shuffled
        rows = np.stack([self._row(candidate) for candidate in shuffled])
        self._learn()
        scores = self._adapted.scores(rows, self._usual())
        worth = scores.mean + CURIOSITY * scores.doubt
        order = sorted(range(len(shuffled)), key=lambda place: -float(worth[place]))
        return [shuffled[place] for place in order]

    def _learn(self) -> None:
        """Bring the model up to what was tried since."""
        known = self.ranked()
        if len(known) >= self._learnt + 4:
            rows = np.stack([self._row(candidate) for candidate, _ in known])
            seconds = np.array([seconds for _, seconds in known])
            group = Group(rows, seconds, reference=self._usual())
            self._adapted = self.model.adapted(group, seed=self.options.seed)
            self._learnt = len(known)

    def _usual(self) -> np.ndarray:
        """Usual features of the program's candidates, of all that were looked at so far."""
        return np.median(np.stack(list(self._features.values())), axis=0)

    def _row(self, candidate: Candidate) -> np.ndarray:
        if candidate.key not in self._features:
            found = features_of(candidate.scheduled.mod, self.space.target)
            self._features[candidate.key] = found
        return self._features[candidate.key]
