"""Random kernels, and whether what the frontends read of them does what they do.

    python benchmarks/fuzz.py --minutes 10 --seed 1
    python benchmarks/fuzz.py --dialect hip,bang --count 100
    python benchmarks/fuzz.py --only cuda-1-17

Kernels are made of the language's constructs: well-formed, without races, in bounds, and with
arithmetic that is exact. Each is run as written by the emulator, as the flat program that was read,
and as blocks where it could be raised, in a process of its own with limits.

| outcome | what it means                                                                    |
|---------|----------------------------------------------------------------------------------|
| right   | all gave the same, bit by bit; `raised` counts those that became blocks          |
| refused | a frontend said no; the table counts why                                         |
| wrong   | they differ: a defect of the reader or of raising                                |
| crash   | a frontend ended in something else than a refusal                                |
| timeout | it did not end                                                                   |
| faulty  | the kernel has a fault by itself: a defect of the generator, it does not count   |

A case that is wrong or crashes is made small. `--keep` writes it to `tests/frontends/fuzz`, where
the tests run it from then on. The exit code is 1 where there was one.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from children import Answer, answers
from fuzzing import kept
from fuzzing.choices import Choices, shrunk
from fuzzing.judging import Verdict, judge
from fuzzing.kernels import program
from rich.console import Console
from rich.table import Table

from xpiler_tvm.kernel import DIALECTS, Dialect

CASE_SECONDS = 60
CHECKED_EVERY = 10
FOLDER = Path(__file__).parent.parent / "tests" / "frontends" / "fuzz"


@dataclass(frozen=True)
class Case:
    """A program by its name `dialect-seed-number`, or by its draws."""

    dialect: Dialect
    name: str
    draws: tuple[int, ...] = ()
    checked: bool = False

    def choices(self) -> Choices:
        return Choices(given=self.draws) if self.draws else Choices(self.name)


def cases(dialects: Sequence[Dialect], seed: int) -> Iterator[Case]:
    """Cases without end, the dialects in turn."""
    number = 0
    while True:
        for dialect in dialects:
            checked = number % CHECKED_EVERY == 0
            yield Case(dialect, f"{dialect}-{seed}-{number}", checked=checked)
        number += 1


def work(case: Case) -> Verdict:
    return judge(program(case.choices(), case.dialect), checked=case.checked)


def verdict_of(answer: Answer[Case]) -> Verdict:
    """The verdict, also where the process ended without one."""
    if isinstance(answer.value, Verdict):
        return answer.value
    last = answer.ended.strip().splitlines()[-1]
    if re.search(r"ended with -(9|24)$", last):
        return Verdict("timeout", last)
    if "/fuzzing/" in answer.ended.rsplit("File ", 1)[-1]:
        return Verdict("faulty", f"the generator: {last}")
    return Verdict("crash", last)


def small(case: Case, verdict: Verdict, seconds: float) -> Case:
    """A smaller case with the same outcome."""

    def holds(choices: Choices) -> bool:
        try:
            program(choices, case.dialect)
        except AssertionError:
            return False
        smaller = replace(case, draws=tuple(choices.draws), checked=False)
        (answer,) = answers([smaller], work, seconds=CASE_SECONDS)
        found = verdict_of(answer)
        same = found.outcome == verdict.outcome
        return same and (verdict.outcome == "wrong" or found.reason == verdict.reason)

    start = case.choices()
    program(start, case.dialect)
    draws = shrunk(
        start.draws, holds, lambda choices: program(choices, case.dialect), seconds=seconds
    )
    return replace(case, draws=tuple(draws), checked=True)


# ---------------------------------------------------------------- command


def outcomes(rows: Sequence[tuple[Case, Verdict]]) -> Table:
    table = Table(title="kernels by outcome")
    columns = ("right", "refused", "wrong", "crash", "timeout", "faulty")
    for column in ("dialect", "made", *columns, "raised"):
        table.add_column(column, justify="left" if column == "dialect" else "right")
    for dialect in dict.fromkeys(case.dialect for case, _ in rows):
        counts = Counter(verdict.outcome for case, verdict in rows if case.dialect == dialect)
        numbers = [str(counts[column]) for column in columns]  # type: ignore[index]
        raised = sum(verdict.raised for case, verdict in rows if case.dialect == dialect)
        table.add_row(dialect, str(sum(counts.values())), *numbers, str(raised))
    return table


def refusals(rows: Sequence[tuple[Case, Verdict]]) -> Table:
    table = Table(title="refused")
    for column in ("kernels", "code", "reason", "for example"):
        table.add_column(column, overflow="fold")
    found: dict[tuple[str, str], list[str]] = {}
    for case, verdict in rows:
        if verdict.outcome == "refused":
            reason = re.sub(r"'[^']*'|\d+", "…", verdict.reason)
            found.setdefault((verdict.code, reason), []).append(case.name)
    for (code, reason), names in sorted(found.items(), key=lambda item: -len(item[1])):
        table.add_row(str(len(names)), code, reason.replace("[", r"\["), names[0])
    return table


def show(case: Case, verdict: Verdict, console: Console) -> None:
    made = program(case.choices(), case.dialect)
    console.print(made.kernel.source, markup=False, highlight=False)
    launch = made.kernel.launch
    console.print(f"{case.name}: {launch}", markup=False, highlight=False)
    place = f" (line {verdict.line})" if verdict.line else ""
    console.print(f"{verdict.outcome} {verdict.code}{place}: {verdict.reason}", markup=False)


def main() -> int:
    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--count", type=int, help="how many kernels instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dialect", type=names, default=["cuda", "hip", "vnni", "bang"])
    parser.add_argument("--only", metavar="NAME", help="one kernel: its text and what became of it")
    parser.add_argument("--small", type=float, default=120.0, metavar="SECONDS",
                        help="for making a found case small (default: 120)")  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="write found cases to the tests")
    parser.add_argument("--jobs", type=int, default=1, help="kernels at a time (default: 1)")
    options = parser.parse_args()
    unknown = set(options.dialect) - set(DIALECTS)
    if unknown:
        parser.error(f"no dialect named {', '.join(sorted(unknown))}")
    console = Console()
    if options.only:
        dialect = options.only.split("-")[0]
        (answer,) = answers([Case(dialect, options.only, checked=True)], work, seconds=CASE_SECONDS)
        verdict = verdict_of(answer)
        show(answer.case, verdict, console)
        return 1 if verdict.outcome in ("wrong", "crash") else 0

    end = time.monotonic() + options.minutes * 60
    rows: list[tuple[Case, Verdict]] = []

    def running() -> Iterator[Case]:
        for number, case in enumerate(cases(options.dialect, options.seed)):
            if number == options.count or (options.count is None and time.monotonic() > end):
                return
            yield case

    for answer in answers(running(), work, seconds=CASE_SECONDS, jobs=options.jobs):
        verdict = verdict_of(answer)
        rows.append((answer.case, verdict))
        if verdict.outcome not in ("right", "refused"):
            place = f" (line {verdict.line})" if verdict.line else ""
            console.print(f"{answer.case.name}: {verdict.outcome}{place}: {verdict.reason}",
                          markup=False, highlight=False)  # fmt: skip
    console.print(outcomes(rows))
    if any(verdict.outcome == "refused" for _, verdict in rows):
        console.print(refusals(rows))
    bad = [(case, verdict) for case, verdict in rows if verdict.outcome in ("wrong", "crash")]
    for case, verdict in bad:
        if options.small > 0:
            smaller = small(case, verdict, options.small)
            (answer,) = answers([smaller], work, seconds=CASE_SECONDS)
            show(smaller, verdict_of(answer), console)
            if options.keep:
                made = program(smaller.choices(), case.dialect)
                console.print(f"kept as {kept.keep(FOLDER, made, case.name, verdict)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
