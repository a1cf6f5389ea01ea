"""A small real model chooses schedule steps, beside chance: what it shows is that all of it works.

    python benchmarks/guided_local.py --model SmolLM2-135M-Instruct.Q4_1.gguf [--rounds 3]

A llama.cpp server on this machine serves the model. For a kernel on modelled targets it
answers with a legal step each round (its answers are constrained to those), and with a prior over
the legal steps; beside it stand as many steps drawn at random, and the average over all of them,
which is what an even prior expects. Then everything is replayed from the recorded answers, without
the server, and must come out the same.

Models of this size choose no better than chance; the figures say so, and the exit code does not
depend on them: it is 1 where an answer was not legal, or a replay differs.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from guiding.local import serving

import xpiler_tvm as xt
from xpiler_tvm import llm, schedules, targets
from xpiler_tvm.lifting import Lifted
from xpiler_tvm.llm.settings import Mode
from xpiler_tvm.schedules.action_steps import Step
from xpiler_tvm.schedules.base import first_applicable
from xpiler_tvm.schedules.chooser import Choice, Proposed, choose, legal_calls, step_prior
from xpiler_tvm.targets import TargetSpec
from xpiler_tvm.translation_guided import CostOn

ROOT = Path(__file__).parent.parent
KERNEL = ROOT / "examples" / "transpose.cu"
TARGETS = ("bang", "cuda")
TIMEOUT = 300.0


@dataclass
class Task:
    """A lifted kernel on a target, and what its legal first steps cost behind the rule."""

    lifted: Lifted
    spec: TargetSpec

    def __post_init__(self) -> None:
        self.bench = CostOn(self.spec, self.lifted, self.lifted.mod)
        self.rules, self.accept = self.spec.schedule_rules()
        self.base = schedules.apply(self.lifted.mod, self.spec.name)
        self.baseline = self.bench.cost(self.base).seconds or float("inf")
        self.legal = legal_calls(self.lifted.mod, self.base, self.spec)["rule"]
        self.known: dict[str, float] = {}

    def cost(self, call: str) -> float:
        """Microseconds behind the rule with one more step; the rule's own where that is refused."""
        if call not in self.known:
            behind = next(rule for rule in self.rules if rule.name == self.base.rule)
            rule = Proposed((Step.parse(call),), behind)
            try:
                made = first_applicable([rule], self.lifted.mod, self.accept)
                seconds = self.bench.cost(made).seconds
            except xt.ScheduleError:
                seconds = None
            self.known[call] = min(self.baseline, seconds or float("inf"))
        return 1e6 * self.known[call]


def client_for(url: str, folder: Path, mode: Mode) -> llm.Client:
    settings = llm.Settings(
        base_url=url,
        api_key="none",
        timeout=TIMEOUT,
        max_tokens=120,
        mode=mode,
        folder=folder,
        budget=llm.Budget(calls=200, tokens=None, seconds=None),
    )
    return llm.connect("local", settings)


def chosen(task: Task, client: llm.Client, rounds: int) -> Choice:
    return choose(task.lifted.mod, task.spec, client, task.bench, rounds=rounds, constrained=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, type=Path, metavar="GGUF")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--to", default=",".join(TARGETS), metavar="TARGETS")
    parser.add_argument("--kernel", type=Path, default=KERNEL, metavar="FILE")
    options = parser.parse_args()
    bad = 0
    print("microseconds modelled; rounds:", options.rounds)
    print("target    rule   model  random  even prior  model's prior  legal  replayed")
    lifted = xt.lift(xt.Kernel.from_file(options.kernel))
    with tempfile.TemporaryDirectory() as name, serving(options.model) as url:
        for target in options.to.split(","):
            task = Task(lifted, targets.get(target))
            if task.legal:
                bad += judge(task, url, Path(name), options.rounds)
    return 1 if bad else 0


def judge(task: Task, url: str, folder: Path, rounds: int) -> int:
    """A row; how much of it is wrong."""
    begun, client = time.monotonic(), client_for(url, folder, "record")
    choice = chosen(task, client, rounds)
    steps = [Step.parse(call) for call in task.legal]
    shares = step_prior(client, task.base.schedule, task.spec, steps)
    again = client_for(url, folder, "replay")
    same = chosen(task, again, rounds).tried == choice.tried
    same = same and step_prior(again, task.base.schedule, task.spec, steps) == shares
    refused = sum("XP7" in one.outcome or "no call" in one.outcome for one in choice.tried)
    drawn = random.Random(0).sample(task.legal, min(rounds, len(task.legal)))
    mean = sum(map(task.cost, task.legal)) / len(task.legal)
    expected = sum(p * task.cost(call) for p, call in zip(shares, task.legal, strict=True))
    print(
        f"{task.spec.name:6} {1e6 * task.baseline:7.2f} "
        f"{1e6 * (choice.cost.seconds or 0):7.2f} {min(map(task.cost, drawn)):7.2f} {mean:11.2f} "
        f"{expected:14.2f} {len(choice.tried) - refused:3} of {len(choice.tried)} "
        f"{'yes' if same else 'NO':>5}   {client.usage}, {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    return refused + (not same)


if __name__ == "__main__":
    raise SystemExit(main())
