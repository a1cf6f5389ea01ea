"""Lifting with a language model's help: no wrong proposal accepted, right ones accepted, in budget.

    python benchmarks/guided.py --llm scripted [--kernel NAME]...
    python benchmarks/guided.py --llm MODEL                        a real model, OPENAI_BASE_URL

With `scripted` a server on this machine plays a fallible model. For every kernel of
`guiding.cases` it gives twelve wrong rewritings, the right one behind three wrong ones, TVMScript,
and then all that servers do: garbage, refusals, cut answers, HTML, errors, silence. A wrong
proposal that was repaired is held against the right one on inputs of its own. With a real
model the same kernels are lifted with whatever it says; what is accepted is held against the source
either way.

Printed: by kernel how many wrong proposals were refused and which were not, whether right ones were
accepted; by misbehaviour how it ended; calls, tokens and seconds against their budgets. The exit
code is 1 where a wrong proposal was accepted, a right one refused, or a budget exceeded.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from guiding.cases import CASES, SELECT, Case
from guiding.server import Answer, Drop, Raw, Say, scripted

import xpiler_tvm as xt
from xpiler_tvm import llm
from xpiler_tvm.frontends.guided import ATTEMPTS

BUDGET = llm.Budget(calls=12, tokens=50_000, seconds=300.0)
TIMEOUT = 0.3
NO_TAGS = Say(json.dumps({"operators": [], "roles": []}))


@dataclass
class Run:
    """One lift: what was accepted, if anything, and what it took."""

    text: str | None
    error: str
    client: llm.Client
    rejected: tuple[str, ...] = ()
    repaired: bool = False

    @property
    def within_budget(self) -> bool:
        usage, budget = self.client.usage, self.client.settings.budget
        return all(
            most is None or used <= most
            for used, most in (
                (usage.calls, budget.calls),
                (usage.tokens, budget.tokens),
                (usage.seconds, budget.seconds),
            )
        )


@dataclass
class Tally:
    """What all runs came to."""

    refused: int = 0
    repaired: int = 0
    accepted_wrong: list[str] = field(default_factory=list)
    accepted_right: int = 0
    refused_right: list[str] = field(default_factory=list)
    over_budget: list[str] = field(default_factory=list)
    untyped: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        bad = self.accepted_wrong, self.refused_right, self.over_budget, self.untyped
        return not any(bad)


def proposal(form: str, text: str) -> Say:
    """An answer that proposes a program."""
    return Say(json.dumps({"form": form, "text": text, "changes": "as asked"}))


def played(
    case: Case, answers: Sequence[Answer], budget: llm.Budget = BUDGET, retries: int = 1
) -> Run:
    """A lift with a server that gives `answers` in turn, the last one for ever."""
    place = iter([*answers, *[answers[-1]] * 50])

    def script(request: dict[str, Any], _: int) -> Answer:
        return NO_TAGS if "operators" in json.dumps(request.get("response_format")) else next(place)

    with scripted(script) as server:
        settings = llm.Settings(
            base_url=server.url, api_key="none", budget=budget, timeout=TIMEOUT, retries=retries
        )
        return lifted(case, llm.connect("scripted", settings))


def lifted(case: Case, client: llm.Client) -> Run:
    """A lift with whatever `client` says."""
    try:
        found = xt.lift(case.kernel, lifter="llm", llm=client)
    except xt.XpilerError as error:
        return Run(None, f"{error.code}: {error.message}", client)
    guide = found.guidance
    assert guide is not None
    return Run(guide.text, "", client, guide.rejected, guide.repaired)


def is_right(case: Case, text: str) -> bool:
    """Whether a text is right, by runs from other seeds beside the one that is known to be."""
    kernels = (replace(case.kernel, source=source) for source in (case.right, text))
    return xt.check(*kernels, seeds=(11, 12, 13)).ok


# ---------------------------------------------------------------- a kernel


def judge_case(case: Case, tally: Tally) -> None:
    """All wrong proposals, then the right ones; prints a line."""
    begun, accepted, repaired = time.monotonic(), [], 0
    names = list(case.faults)
    for start in range(0, len(names), ATTEMPTS):
        group = names[start : start + ATTEMPTS]
        while group:
            run = played(case, [proposal("source", case.wrong(name)) for name in group])
            within(run, f"{case.name}: {group[0]}", tally)
            if run.text is None:
                tally.refused += len(group)
                break
            place = len(run.rejected)
            tally.refused += place
            if run.repaired and is_right(case, run.text):
                repaired += 1
            else:
                accepted.append(group[place])
            group = group[place + 1 :]
    tally.repaired += repaired
    tally.accepted_wrong += [f"{case.name}: {name}" for name in accepted]
    wrong = [proposal("source", case.wrong(name)) for name in names[: ATTEMPTS - 1]]
    rights = {"right behind three wrong ones": [*wrong, proposal("source", case.right)]}
    if case.script:
        rights["TVMScript"] = [proposal("tvmscript", case.script)]
    taken = 0
    for what, answers in rights.items():
        run = played(case, answers)
        within(run, f"{case.name}: {what}", tally)
        mended = run.repaired and run.text is not None and is_right(case, run.text)
        if mended or run.text in (case.right, case.script):
            taken += 1
        else:
            tally.refused_right.append(f"{case.name}: {what}: {run.error or 'another one'}")
    tally.accepted_right += taken
    print(
        f"{case.name:10} {case.kernel.dialect:5} of {len(names)} wrong ones {len(accepted)} "
        f"accepted, {repaired} repaired, right accepted {taken} of {len(rights)}, "
        f"{time.monotonic() - begun:5.1f} s",
        flush=True,
    )


def within(run: Run, what: str, tally: Tally) -> None:
    if not run.within_budget:
        tally.over_budget.append(f"{what}: {run.client.usage}")


# ---------------------------------------------------------------- a server that misbehaves


def misbehaviours() -> Iterator[tuple[str, list[Answer], bool]]:
    """What a server does, and whether the right answer behind it must be found."""
    right = proposal("source", SELECT.right)
    yield "garbage, then right", [Say("I think that …"), right], True
    yield "fenced JSON", [Say(f"Here it is:\n```json\n{right.text}\n```")], True
    yield "a wrong field", [Say('{"form": "prose", "text": "", "changes": ""}'), right], True
    yield "empty, then right", [Say(""), right], True
    yield "an empty program", [proposal("source", "  "), right], True
    yield "refusal, then right", [Say("", refusal="I cannot help with that"), right], True
    yield "cut off, then right", [Say('{"form": "sour', finish="length"), right], True
    yield "busy, then right", [Raw('{"error": {"message": "slow down"}}', 429), right], True
    yield "error, then right", [Raw('{"error": {"message": "oops"}}', 500), right], True
    yield "silence, then right", [Raw("", seconds=3 * TIMEOUT), right], True
    yield "dropped, then right", [Drop(), right], True
    yield "garbage for ever", [Say("no")], False
    yield "refusals for ever", [Say("", refusal="no")], False
    yield "busy for ever", [Raw('{"error": {"message": "slow down"}}', 429)], False
    yield "silence for ever", [Raw("", seconds=3 * TIMEOUT)], False
    yield "HTML", [Raw("<html>welcome</html>", kind="text/html")], False
    yield "no choices", [Raw('{"choices": []}')], False
    yield "a key that is refused", [Raw('{"error": {"message": "no such key"}}', 401)], False
    yield "Python that runs a shell", [proposal("tvmscript", "import os\nos.system('id')")], False
    yield (
        "C that opens a file",
        [proposal("source", '#include <cstdio>\n__global__ void select() { fopen("/", "r"); }')],
        False,
    )


def judge_misbehaviour(tally: Tally) -> None:
    for what, answers, helps in misbehaviours():
        try:
            run = played(SELECT, answers)
        except Exception as error:  # what this looks for: an error that is not ours
            tally.untyped.append(f"{what}: {type(error).__name__}: {error}")
            continue
        within(run, what, tally)
        if (run.text == SELECT.right) != helps:
            tally.refused_right.append(f"{what}: {run.error}")
        print(f"{what:26} {'accepted' if run.text else run.error[:70]:72} {run.client.usage}")
    for name, budget in (
        ("3 calls", llm.Budget(calls=3)),
        ("3000 tokens", llm.Budget(tokens=3000)),
        ("1 second", llm.Budget(seconds=1.0)),
    ):
        answers = [Raw("", seconds=3 * TIMEOUT)] if name == "1 second" else [Say("no")]
        run = played(SELECT, answers, budget, retries=9)
        usage = run.client.usage
        within(run, f"a budget of {name}", tally)
        print(f"budget of {name:16} {run.error[:70]:72} {usage}")


# ---------------------------------------------------------------- the script


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llm", default="scripted", metavar="MODEL")
    parser.add_argument("--kernel", action="append", choices=[case.name for case in CASES])
    options = parser.parse_args()
    cases = [case for case in CASES if not options.kernel or case.name in options.kernel]
    if options.llm != "scripted":
        for case in cases:
            run = lifted(case, llm.connect(options.llm, llm.Settings(budget=BUDGET)))
            print(f"{case.name:10} {run.error or 'accepted'}  {run.client.usage}")
        return 0
    tally = Tally()
    for case in cases:
        judge_case(case, tally)
    judge_misbehaviour(tally)
    print(
        f"\nwrong proposals: {tally.refused} refused, {tally.repaired} repaired and right then, "
        f"{len(tally.accepted_wrong)} accepted; "
        f"right ones: {tally.accepted_right} accepted; budgets exceeded: {len(tally.over_budget)}"
    )
    for kind, rows in (
        ("accepted although wrong", tally.accepted_wrong),
        ("refused although right", tally.refused_right),
        ("over budget", tally.over_budget),
        ("an error of ours", tally.untyped),
    ):
        for row in rows:
            print(f"{kind}: {row}")
    return 0 if tally.ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
