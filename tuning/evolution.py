"""Evolution within: new decisions from those of the best candidates so far."""

from __future__ import annotations

import random
from collections.abc import Sequence

from xpiler_tvm.schedules.knobs import Knob, Value

from .space import RULE, Candidate

NEARBY = 0.7
"""How often a number becomes one of its neighbours, not just any option."""


def mutated(parent: Candidate, generator: random.Random) -> dict[str, Value]:
    """One or two decisions changed, the rule apart; what depends on them is asked anew."""
    decisions = parent.decisions
    free = [knob for knob in parent.knobs if len(knob.options) > 1 and knob.name != RULE]
    for knob in generator.sample(free, min(len(free), generator.choice((1, 1, 2)))):
        decisions[knob.name] = _another(knob, generator)
    return decisions


def crossed(one: Candidate, two: Candidate, generator: random.Random) -> dict[str, Value]:
    """Each decision of either parent; the rule is the first one's."""
    other = two.decisions
    return {
        knob.name: other.get(knob.name, knob.value)
        if knob.name != RULE and generator.random() < 0.5
        else knob.value
        for knob in one.knobs
    }


def offspring(elite: Sequence[Candidate], generator: random.Random) -> dict[str, Value]:
    """A child of one or two of the elite, which is listed best first."""
    weights = [1.0 / (1 + place) for place in range(len(elite))]
    one, two = generator.choices(elite, weights, k=2)
    same_rule = one.scheduled.rule == two.scheduled.rule
    if one is not two and same_rule and generator.random() < 0.4:
        return crossed(one, two, generator)
    return mutated(one, generator)


def _another(knob: Knob, generator: random.Random) -> Value:
    others = [each for each in knob.options if each != knob.value]
    numbers = sorted(each for each in knob.options if isinstance(each, int))
    if isinstance(knob.value, int) and len(numbers) > 2 and generator.random() < NEARBY:
        place = numbers.index(knob.value)
        near = [numbers[at] for at in (place - 1, place + 1) if 0 <= at < len(numbers)]
        return generator.choice(near)
    return generator.choice(others)
