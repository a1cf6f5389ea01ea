"""Transformations that a search may put behind a rule's schedule, one after the other.

They are the named actions of `schedules.actions`; a step's text, as in `split("C", 2, 8)`, is how a
search, a record or a language model spells it. TVM refuses one that would change what is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import tvm
from tvm import s_tir

from xpiler_tvm.schedules.action_steps import Illegal, Scene, Step
from xpiler_tvm.schedules.actions import ACTIONS, apply
from xpiler_tvm.schedules.base import Declined, Rule
from xpiler_tvm.schedules.knobs import asked, knob

STOP = "stop"
SEARCHED = ("bind", "split", "fuse", "reorder", "expansion", "contraction", "cache", "pipeline")
"""Actions that a search takes: of the others two live in the frontends, and the rules tensorize."""


@dataclass(frozen=True)
class WithPasses:
    """A rule and passes behind its schedule, each of them a knob, up to `depth` knobs in all."""

    rule: Rule
    scene: Scene
    depth: int

    @property
    def name(self) -> str:
        return self.rule.name

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = self.rule.apply(mod)
        if isinstance(sch, Declined):
            return sch
        number = 1
        while asked() < self.depth:
            action = knob(f"pass {number}", STOP, (STOP, *SEARCHED))
            if action == STOP:
                break
            steps = [str(step) for step in ACTIONS[action].options(sch, self.scene)]
            if not steps:
                return Declined(f"there is nothing for {action}")
            chosen = knob(f"pass {number}, step", steps[0], steps)
            try:
                apply(sch, Step.parse(chosen))
            except Illegal as error:
                return Declined(str(error))
            number += 1
        return sch
