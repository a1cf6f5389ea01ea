"""A model's schedules: legal ones that cost less are kept, all others leave the rules' own."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pytest

import xpiler_tvm as xt
from tests.llm.support import Raw, Say, playing
from xpiler_tvm import targets
from xpiler_tvm.errors import ModelError, ScheduleError
from xpiler_tvm.schedules.base import Scheduled
from xpiler_tvm.schedules.chooser import Choice, Cost, choose, legal_calls

SOURCE = """
__global__ void scale(const float *x, float *y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i] * 2.0f;
}
"""


@lru_cache(maxsize=1)
def lifted() -> xt.Lifted:
    params = (xt.Tensor("x", (4096,)), xt.Tensor("y", (4096,), intent="out"))
    return xt.lift(xt.Kernel(SOURCE, "cuda", "scale", params, xt.Launch((16,), (256,))))


class Threads:
    """A made-up cost: blocks of 64 threads are best."""

    def cost(self, scheduled: Scheduled) -> Cost:
        fits = 'T.thread_binding(64, thread="threadIdx.x")' in scheduled.mod.script()
        return Cost(1.0 if fits else 2.0, "modelled")

    def beside(self, first: Scheduled, second: Scheduled) -> tuple[Cost, Cost]:
        return self.cost(first), self.cost(second)


def calls(start: str, *steps: str) -> Any:
    return Say(json.dumps({"start": start, "calls": list(steps)}))


BETTER = calls(
    "fresh", 'split("y", 0, 64)', 'bind("y", 0, "blockIdx.x")', 'bind("y", 1, "threadIdx.x")'
)


def chosen(answers: Any, **how: Any) -> tuple[Choice, Any]:
    with playing(answers) as (client, server):
        found = choose(lifted().mod, targets.get("cuda"), client, Threads(), **how)
    return found, server


def test_a_better_schedule_is_kept() -> None:
    found, server = chosen([calls("fresh", 'split("y", 0, 7'), BETTER, calls("rule")])
    assert found.rule is not None and found.cost.seconds == 1.0 and found.baseline.seconds == 2.0
    outcomes = [one.outcome for one in found.tried]
    assert "is no call" in outcomes[0] and "modelled" in outcomes[1]
    assert "what the rules make" in outcomes[2]
    assert outcomes[0] in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    "answer",
    [
        Say("garbage"),
        Say("", refusal="no"),
        Raw("<html>", kind="text/html"),
        calls("rule", "__import__('os').system('id')"),
        calls("rule", 'split("nobody", 0, 4)'),
        calls("fresh", *['split("y", 0, 2)'] * 50),
        calls("fresh"),
        calls("fresh", 'bind("y", 0, "threadIdx.x")'),
    ],
)
def test_what_is_of_no_use_leaves_the_rules(answer: Any) -> None:
    found, _ = chosen([answer], rounds=2)
    assert found.rule is None and found.scheduled.rule == "gpu.elementwise"
    assert found.cost == found.baseline and found.tried


def test_small_models_choose_among_legal_calls() -> None:
    given: list[str] = []

    def first_legal(request: dict[str, Any], _: int) -> Any:
        schema = request["response_format"]["json_schema"]["schema"]["properties"]
        legal = schema["calls"]["items"]["enum"]
        assert schema["calls"]["maxItems"] == 1
        given.append(legal[0])
        return calls(schema["start"]["const"], legal[0])

    found, _ = chosen(first_legal, rounds=1, constrained=True)
    assert given[0] in found.tried[0].calls and "is no call" not in found.tried[0].outcome


def test_legal_calls_are_legal_on_their_start() -> None:
    base = xt.transcompile(lifted(), "cuda").schedule
    spec = targets.get("cuda")
    scheduled = Scheduled(base, "gpu.elementwise", base.mod)
    found = legal_calls(lifted().mod, scheduled, spec)
    assert 'split("y", 0, 64)' in found["fresh"]


def test_translations_say_who_scheduled_them() -> None:
    with playing([calls("rule")]) as (client, _):
        result = xt.transcompile(lifted(), "cuda", scheduler="llm", llm=client)
    assert result.rule == "gpu.elementwise"
    report = result.report["llm"]["schedule"]
    assert report["kept"] is False and report["usage"]["calls"] == client.usage.calls
    assert any("nothing that costs less" in note for note in result.notes)


def test_schedulers_that_cannot_be() -> None:
    with pytest.raises(ModelError) as error:
        xt.transcompile(lifted(), "cuda", scheduler="llm")
    assert error.value.code == "XP7001"
    with pytest.raises(ScheduleError) as unknown:
        xt.transcompile(lifted(), "cuda", scheduler="magic")  # type: ignore[arg-type]
    assert unknown.value.code == "XP3003"
