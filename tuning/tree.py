"""Monte Carlo tree search over sequences of decisions.

A node is a sequence of decisions so far; its children are the options of the next one. A further
child opens each time that the square root of a node's visits grows by one (progressive widening),
that of the highest prior first, so that long lists of options do not drown the search. Else a walk
follows at each node the child of the largest

    value + c * prior * sqrt(visits) / (1 + visits of the child)

as far as the tree reaches, and goes on at random from there, mostly as the rules would. The reward
of a candidate is its throughput by that of the first one, 0 where it is wrong. Sequences that lead
to the same program share what is known of it (`search.Search`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from xpiler_tvm.schedules.knobs import Knob, Value

EXPLORATION = 0.6
WIDENING, WIDENING_POWER = 1.0, 0.5

Prior: TypeAlias = "Callable[[Mapping[str, Value], Knob], Sequence[float]]"
"""Weights of a decision's options, given the decisions before; they need not add up to 1."""


def uniform(_: Mapping[str, Value], knob: Knob) -> Sequence[float]:
    """No opinion."""
    return [1.0] * len(knob.options)


def by_rule(_: Mapping[str, Value], knob: Knob, weight: float = 3.0) -> Sequence[float]:
    """The rules' own choice counts as much as `weight` others."""
    others = max(1, len(knob.options) - 1)
    return [weight if each == knob.default else weight / others for each in knob.options]


@dataclass(eq=False)
class Node:
    """What is known of a sequence of decisions; `pending` are candidates that are on their way."""

    visits: float = 0.0
    total: float = 0.0
    pending: int = 0
    children: dict[Value, Node] = field(default_factory=dict)
    order: list[tuple[Value, float]] = field(default_factory=list)

    @property
    def value(self) -> float:
        return self.total / self.visits if self.visits else 0.0


@dataclass(eq=False)
class Tree:
    """The tree of one search. `prior` says which options to open first.

    `doubt` is the share of its say that options have in equal parts instead.
    """

    generator: random.Random
    prior: Prior = by_rule
    root: Node = field(default_factory=Node)
    doubt: float = 0.0

    def walk(self) -> Walk:
        """A way from the root, to be handed to `Space.walk`."""
        return Walk(self)

    def reward(self, knobs: Sequence[Knob], reward: float) -> None:
        """Let a candidate's reward count for every node on its way."""
        for node in self._way(knobs):
            node.visits += 1
            node.total += reward

    def expect(self, knobs: Sequence[Knob]) -> None:
        """Mark a candidate's way, so that the next walks go elsewhere."""
        for node in self._way(knobs):
            node.pending += 1

    def mistrust(self, doubt: float) -> None:
        """Put options in another order: the prior's opinion counts less from now on."""
        self.doubt = doubt
        stack = [self.root]
        while stack:
            node = stack.pop()
            node.order = []
            stack += node.children.values()

    def weights(self, before: Mapping[str, Value], knob: Knob) -> list[float]:
        """The shares of a decision's options, by the prior as far as it is trusted."""
        count = len(knob.options)
        given = [max(0.0, float(each)) for each in self.prior(before, knob)]
        if len(given) != count or not sum(given) > 0:
            given = [1.0] * count
        return [(1 - self.doubt) * each / sum(given) + self.doubt / count for each in given]

    def forget_pending(self) -> None:
        """All that was expected has come."""
        stack = [self.root]
        while stack:
            node = stack.pop()
            node.pending = 0
            stack += node.children.values()

    def _way(self, knobs: Sequence[Knob]) -> list[Node]:
        way = [self.root]
        for knob in knobs:
            way.append(way[-1].children.setdefault(knob.value, Node()))
        return way

    def _order(self, node: Node, before: Mapping[str, Value], knob: Knob) -> None:
        """List a node's options by prior."""
        if node.order:
            return
        pairs = list(zip(knob.options, self.weights(before, knob), strict=True))
        self.generator.shuffle(pairs)
        node.order = sorted(pairs, key=lambda pair: -pair[1])

    def _select(self, node: Node) -> Value:
        visits = node.visits + node.pending
        opened = max(1, math.ceil(WIDENING * visits**WIDENING_POWER))
        untried = [option for option, _ in node.order if option not in node.children]
        if untried and len(node.order) - len(untried) < opened:
            return untried[0]
        seen = math.sqrt(1 + visits)

        def bound(pair: tuple[Value, float]) -> float:
            option, prior = pair
            child = node.children[option]
            count = child.visits + child.pending
            value = child.total / count if count else node.value
            return value + EXPLORATION * prior * seen / (1 + count)

        return max((pair for pair in node.order if pair[0] in node.children), key=bound)[0]


@dataclass(eq=False)
class Walk:
    """Decides one decision after the other: by the tree, and beyond it by the prior."""

    tree: Tree
    node: Node | None = None
    before: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.node = self.tree.root

    def __call__(self, name: str, default: Value, options: tuple[Value, ...]) -> Value:
        knob = Knob(name, options, default, default)
        if self.node is None:
            chosen = self._rollout(knob)
        else:
            self.tree._order(self.node, self.before, knob)
            chosen = self.tree._select(self.node)
            self.node = self.node.children.get(chosen)
        self.before[name] = chosen
        return chosen

    def _rollout(self, knob: Knob) -> Value:
        weights = self.tree.weights(self.before, knob)
        return self.tree.generator.choices(knob.options, weights)[0]
