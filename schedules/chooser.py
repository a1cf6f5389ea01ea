"""Primitives that a language model chooses, kept where they beat the rules.

The model sees the program, what the target offers, which steps are legal first, and what was tried
at what cost. Its answer is a short list of steps (`actions.py`). They are applied to a copy; what
TVM or the target refuses goes back as an answer. A schedule of a model's is one like any other: the
caller runs it against the source, and keeps it only if it costs less than the rules' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import tvm
import tvm_ffi
from pydantic import BaseModel, ConfigDict, Field, create_model
from tvm import s_tir

from xpiler_tvm.errors import ModelError, ScheduleError

from .action_steps import Illegal, Scene, Step
from .actions import ACTIONS, OF_FRONTENDS, apply, legal_steps, refusal
from .base import Declined, Rule, Scheduled, first_applicable, fresh
from .intrinsics import DOT_PRODUCTS

if TYPE_CHECKING:
    from xpiler_tvm.llm import Client
    from xpiler_tvm.llm.wire import Messages
    from xpiler_tvm.targets import TargetSpec

NAME = "llm"
ROUNDS = 3
MOST_STEPS = 12
SHOWN = 30
"""Legal first steps that a question lists, of each start."""
LONGEST_PROGRAM = 12_000

Start = Literal["rule", "fresh"]


@dataclass(frozen=True)
class Cost:
    """What one call of a scheduled program takes: seconds, and how they are known (`measured` or
    `modelled`). Without seconds `why` says what is wrong with it."""

    seconds: float | None
    how: str
    why: str = ""

    def __str__(self) -> str:
        return self.why if self.seconds is None else f"{self.seconds * 1e6:.4g} us, {self.how}"

    def beats(self, other: Cost) -> bool:
        """Whether it is lower by more than such numbers vary; unlike ones do not compare."""
        if self.seconds is None or other.seconds is None or self.how != other.how:
            return False
        return self.seconds < (0.95 if self.how == "measured" else 0.999) * other.seconds


class Calls(BaseModel):
    """A model's answer: where to start, and the calls in order."""

    model_config = ConfigDict(extra="forbid")

    start: Start
    calls: list[str]


@dataclass(frozen=True)
class Proposed:
    """A rule made of steps, behind another rule or by themselves."""

    steps: tuple[Step, ...]
    behind: Rule | None = None
    name: str = NAME

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        begun = self.behind.apply(mod) if self.behind else fresh(mod)
        if isinstance(begun, Declined):
            return begun
        sch = begun.copy()
        for step in self.steps:
            try:
                apply(sch, step)
            except Illegal as error:
                return Declined(f"{step}: {error}")
        return sch


class Bench(Protocol):
    """Says what schedules cost."""

    def cost(self, scheduled: Scheduled) -> Cost:
        """Of one schedule; one that is wrong has no seconds."""

    def beside(self, first: Scheduled, second: Scheduled) -> tuple[Cost, Cost]:
        """Of two that have one each, compared with more care."""


@dataclass(frozen=True)
class Tried:
    """An answer and its outcome, in words."""

    calls: str
    outcome: str


@dataclass(frozen=True)
class Choice:
    """The best schedule that was found: the rules' own where `rule` is `None`.

    `cost` is that of `scheduled`, `baseline` of the rules' own.
    """

    scheduled: Scheduled
    rule: Proposed | None
    cost: Cost
    baseline: Cost
    tried: tuple[Tried, ...]


def scene_of(spec: TargetSpec) -> Scene:
    """What a target offers to steps."""
    tags = tuple(axis.tag for axis in spec.limits.axes if axis.tag.endswith(".x"))
    if spec.name.partition(":")[0] == "vnni":
        names = tuple(dot.register() for dot in DOT_PRODUCTS.values())
        return Scene(("parallel", "vectorize", "unroll"), ("local",), names, overlaps=False)
    scopes = tuple(memory.scope for memory in spec.limits.memories if not memory.in_turns)
    return Scene((*tags, "vectorize", "unroll"), scopes)


def choose(
    mod: tvm.IRModule,
    spec: TargetSpec,
    client: Client,
    bench: Bench,
    *,
    rounds: int = ROUNDS,
    constrained: bool = False,
) -> Choice:
    """The best of the rules' schedule and what a model proposes in `rounds` answers.

    Parameters
    ----------
    bench : says what a schedule costs; what is wrong has no cost, and is not kept.
    constrained : let the model choose among the legal first steps only, which a server that
        follows schemas cannot leave: for small models.

    Raises `ScheduleError` XP3001 where no rule applies, or there is no cost to compare. A model
    that gives no answer of use leaves the rules' schedule.
    """
    rules, accept = spec.schedule_rules()
    base = first_applicable(rules, mod, accept)
    baseline = bench.cost(base)
    if baseline.seconds is None:
        raise ScheduleError("XP3001", f"what the rules' schedule costs is not known: {baseline}")
    search = _Search(mod, spec, rules, base, constrained)
    best, best_rule, best_cost = base, None, baseline
    tried: list[Tried] = []
    for number in range(rounds):
        asked = search.question(baseline, tried)
        try:
            answer = client.ask(asked, search.schema(), attempt=number)
        except ModelError as error:
            tried.append(Tried("(no answer)", f"{error.code}: {error.message}"))
            if error.code in ("XP7003", "XP7004"):
                continue
            break
        told = f"{answer.start}: {', '.join(answer.calls) or '(nothing)'}"[:500]
        try:
            rule = search.rule_of(answer)
            made = first_applicable([rule], mod, accept)
        except (Illegal, ScheduleError) as error:
            tried.append(Tried(told, f"refused: {error.args[0]}"[:500]))
            continue
        if tvm_ffi.structural_equal(made.mod["main"].body, base.mod["main"].body):
            tried.append(Tried(told, "this is what the rules make, too"))
            continue
        found = bench.cost(made)
        tried.append(Tried(told, str(found)))
        if not found.beats(best_cost):
            continue
        found, compared = bench.beside(made, best)
        if found.beats(compared):
            best, best_rule, best_cost = made, rule, found
    return Choice(best, best_rule, best_cost, baseline, tuple(tried))


class _Search:
    """What does not change from one question to the next."""

    def __init__(
        self,
        mod: tvm.IRModule,
        spec: TargetSpec,
        rules: Sequence[Rule],
        base: Scheduled,
        constrained: bool,
    ) -> None:
        self.mod = mod
        self.spec = spec
        self.base = base
        self.constrained = constrained
        self.behind = next(rule for rule in rules if rule.name == base.rule)
        self.legal = legal_calls(mod, base, spec)

    def schema(self) -> type[Calls]:
        if not self.constrained:
            return Calls
        legal = self.legal["rule"] or self.legal["fresh"]
        start = "rule" if self.legal["rule"] else "fresh"
        fields: dict[str, Any] = {"start": (Literal[start], ...)}  # types made at run time
        one = Field(min_length=1, max_length=1)
        fields["calls"] = (Annotated[list[Literal[legal]], one], ...)  # type: ignore[valid-type]
        return create_model("Calls", __base__=Calls, **fields)

    def rule_of(self, answer: Calls) -> Proposed:
        """The rule of an answer. Raises `Illegal` where a call is none."""
        if len(answer.calls) > MOST_STEPS:
            raise Illegal(f"more than {MOST_STEPS} calls")
        steps = tuple(Step.parse(call) for call in answer.calls)
        return Proposed(steps, self.behind if answer.start == "rule" else None)

    def question(self, baseline: object, tried: Sequence[Tried]) -> Messages:
        return question(self.mod, self.spec, self.base, baseline, legal=self.legal, tried=tried)


def legal_calls(
    mod: tvm.IRModule, base: Scheduled, spec: TargetSpec
) -> dict[Start, tuple[str, ...]]:
    """Legal first calls behind the rules' schedule and by themselves."""
    scene = scene_of(spec)
    return {
        "rule": tuple(map(str, legal_steps(base.schedule, scene, SHOWN))),
        "fresh": tuple(map(str, legal_steps(fresh(mod), scene, SHOWN))),
    }


def question(
    mod: tvm.IRModule,
    spec: TargetSpec,
    base: Scheduled,
    baseline: object,
    *,
    legal: dict[Start, tuple[str, ...]],
    tried: Sequence[Tried] = (),
) -> Messages:
    """What the model is asked for a raised program that a rule has scheduled."""
    from xpiler_tvm.llm.prompts import render

    program, scheduled = _script(mod), _script(base.mod)
    return render(
        "schedule",
        spec.name,
        program,
        data=[scheduled],
        actions=[one for one in ACTIONS.values() if not isinstance(one, OF_FRONTENDS)],
        legal_rule=legal["rule"],
        legal_fresh=legal["fresh"],
        rule=base.rule,
        opinion=str(baseline),
        tried=[(one.calls, one.outcome) for one in tried],
        program=program,
        scheduled=scheduled,
    )


def pass_question(mod: tvm.IRModule, spec: TargetSpec, name: str) -> Messages:
    """What a model is asked for one transformation of a raised program, `name` of `ACTIONS`."""
    from xpiler_tvm.llm.prompts import render

    action, program = ACTIONS[name], _script(mod)
    sch = fresh(mod)
    legal = [str(step) for step in action.options(sch, scene_of(spec)) if not refusal(sch, step)]
    return render(
        "pass",
        spec.name,
        program,
        title=f"{name}: {action.summary}",
        action=action,
        legal=legal[:SHOWN],
        program=program,
    )


def step_prior(
    client: Client, sch: s_tir.Schedule, spec: TargetSpec, steps: Sequence[Step]
) -> tuple[float, ...]:
    """A probability for each step as the next one, by a model's first token; even without one."""
    from xpiler_tvm.llm import prior

    asked = f"{_script(sch.mod)}\n\nWhich step makes this faster on {spec.title}?"
    return prior(client, asked, [str(step) for step in steps])


def _script(mod: tvm.IRModule) -> str:
    text = str(mod["main"].script(show_meta=False))
    return text if len(text) <= LONGEST_PROGRAM else f"{text[:LONGEST_PROGRAM]}\n# … cut off"
