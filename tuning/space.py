"""What can be chosen for a program on a target: a rule, its knobs, and passes behind them.

A candidate is a sequence of decisions: first the rule, then what the rule asks (`schedules.knobs`),
then passes, `DEPTH` decisions at most. What is asked depends on what was decided, so a space is not
listed but walked: `at` runs the rules under some decisions and takes the rules' own for the rest.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import tvm
import tvm_ffi

from xpiler_tvm import targets
from xpiler_tvm.errors import ScheduleError
from xpiler_tvm.schedules.base import Scheduled, first_applicable
from xpiler_tvm.schedules.chooser import scene_of
from xpiler_tvm.schedules.knobs import Decide, Knob, Value, choosing

from .passes import WithPasses

RULE = "rule"
DEPTH = 13
"""The most decisions of a candidate."""

Decisions: TypeAlias = "Mapping[str, Value]"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A scheduled program, and the decisions that lead to it in the order in which they were taken.

    `key` is the structural hash of the program: candidates of one key are one program.
    """

    scheduled: Scheduled
    knobs: tuple[Knob, ...]
    key: str

    @property
    def decisions(self) -> dict[str, Value]:
        """All decisions by name; `Space.at` makes the candidate of them again."""
        return {each.name: each.value for each in self.knobs}

    @property
    def deviations(self) -> dict[str, Value]:
        """The decisions that are not the rules' own."""
        return {each.name: each.value for each in self.knobs if each.value != each.default}

    def __str__(self) -> str:
        changed = ", ".join(f"{name} = {value}" for name, value in self.deviations.items())
        return f"{self.scheduled.rule} ({changed or 'as the rule has it'})"


class Space:
    """All candidates for `mod["main"]` on a target; `default` is the rules' own.

    Raises `ScheduleError` XP3001 where no rule applies.
    """

    def __init__(self, mod: tvm.IRModule, target: str) -> None:
        self.mod, self.target = mod, target
        spec = targets.get(target)
        rules, self._accept = spec.schedule_rules()
        scene = scene_of(spec)
        self._rules = [WithPasses(rule, scene, DEPTH - 1) for rule in rules]
        self._made: dict[tuple[tuple[str, Value], ...], Candidate | None] = {}
        first = first_applicable(rules, mod, self._accept)
        self._usual = first.rule
        made = self.at({})
        assert made is not None  # the rule has just been applied
        self.default = made

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """The names of the rules that apply, the usual one first."""
        others = [rule.name for rule in self._rules if rule.name != self._usual]
        return (self._usual, *(name for name in others if self.at({RULE: name})))

    def at(self, decisions: Decisions) -> Candidate | None:
        """The candidate of some decisions, the rules' own for the rest; `None` where refused."""
        key = tuple(sorted(decisions.items()))
        if key not in self._made:
            name = str(decisions.get(RULE, self._usual))
            self._made[key] = self._make(
                name, lambda name, default, _: decisions.get(name, default), (name,)
            )
        return self._made[key]

    def walk(self, decide: Decide) -> Candidate | None:
        """The candidate that comes of asking `decide` for each decision in turn."""
        name = str(decide(RULE, self._usual, self.rules))
        return self._make(name, decide, self.rules)

    def sample(self, generator: random.Random, changes: float = 0.5) -> Candidate | None:
        """A candidate whose decisions are each, with probability `changes`, any option at all."""

        def decide(_: str, default: Value, options: tuple[Value, ...]) -> Value:
            return generator.choice(options) if generator.random() < changes else default

        return self.walk(decide)

    def _make(self, name: str, decide: Decide, rules: tuple[str, ...]) -> Candidate | None:
        with choosing(decide) as asked:
            try:
                chosen = [rule for rule in self._rules if rule.name == name]
                scheduled = first_applicable(chosen, self.mod, self._accept)
            except (ScheduleError, ArithmeticError, ValueError):
                return None  # a choice that leaves nothing to schedule
        knobs = (Knob(RULE, rules, self._usual, name), *asked)
        return Candidate(scheduled, knobs, key_of(scheduled.mod))


def key_of(mod: tvm.IRModule) -> str:
    """The structural hash of a program, in hexadecimal."""
    return f"{tvm_ffi.structural_hash(mod, map_free_vars=True) & (1 << 64) - 1:016x}"
