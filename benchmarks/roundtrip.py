"""Operators, written as kernels by TVM and by our emitters, and read back.

    python benchmarks/roundtrip.py --count 300 --seed 1
    python benchmarks/roundtrip.py --target hip,bang --count 50
    python benchmarks/roundtrip.py --only cuda-1-17

Random operators in tensor expressions get random schedules: TVM's default rules, samples of
MetaSchedule's space, sequences of primitives of our own, and the rules of this project. TVM writes
them as CUDA, our emitters as HIP and BANG C. Each text is run as written and as the flat program
that was read, and the operator itself without any schedule.

| outcome        | what it means                                                     |
|----------------|-------------------------------------------------------------------|
| right          | all three gave the same, up to rounding                           |
| refused        | a frontend said no; the table says why                            |
| reader wrong   | what was read does not do what the text does                      |
| emitter wrong  | the text does not compute the operator, the scheduled program does |
| TVM wrong      | nor does the scheduled program, or TVM wrote the text: not counted |
| emit failed    | the schedule or the emitter gave up                               |
| crash          | the process ended in anything else                                |

The exit code is 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections import Counter
from collections.abc import Sequence

from children import Answer, answers
from rich.console import Console
from rich.table import Table
from roundtrips import schedules
from roundtrips.trips import OUTCOMES, TARGETS, Trip, trip

CASE_SECONDS = 90
WRONG = ("reader wrong", "emitter wrong", "crash")


def row_of(answer: Answer[str]) -> Trip:
    """What became of a case, also where its process ended without a word."""
    if isinstance(answer.value, Trip):
        return answer.value
    target, last = answer.case.split("-")[0], answer.ended.strip().splitlines()[-1]
    return Trip(target, "", "", "crash", last)


def warm_up() -> None:
    """Imports what schedules need, so that no case is charged with it."""
    inspect.stack = schedules.without_stack  # type: ignore[assignment]
    try:
        import tvm.s_tir.dlight
        import tvm.s_tir.meta_schedule
        import tvm.s_tir.tensor_intrin  # noqa: F401
    finally:
        inspect.stack = schedules.STACK


# ---------------------------------------------------------------- tables


def outcomes(rows: Sequence[Trip]) -> Table:
    table = Table(title="round trips")
    for column in ("target", "made", "emitted", "read", *OUTCOMES):
        table.add_column(column, justify="left" if column == "target" else "right")
    for target in dict.fromkeys(row.target for row in rows):
        counts = Counter(row.outcome for row in rows if row.target == target)
        made = sum(counts.values())
        emitted = made - counts["emit failed"] - counts["crash"]
        read = emitted - counts["refused"]
        table.add_row(target, str(made), str(emitted), f"{read} ({read / max(1, emitted):.1%})",
                      *(str(counts[outcome]) for outcome in OUTCOMES))  # fmt: skip
    return table


def reasons(title: str, rows: Sequence[tuple[str, Trip]]) -> Table:
    table = Table(title=title)
    for column in ("case", "operator", "schedule", "code", "line", "reason"):
        table.add_column(column, overflow="fold")
    for name, row in rows:
        text = row.text.splitlines()[row.line - 1].strip() if row.line and row.text else ""
        reason = row.reason + (f": {text}" if text else "")
        line = str(row.line) if row.line else ""
        table.add_row(name, row.operator, row.schedule, row.code, line, reason.replace("[", r"\["))
    return table


def show(name: str, row: Trip, console: Console) -> None:
    for number, line in enumerate(row.text.splitlines(), 1):
        console.print(f"{number:4} {line}", markup=False, highlight=False)
    console.print(row.results, markup=False, highlight=False)
    made = f"{name}: {row.operator} by {row.schedule}"
    console.print(f"{made}: {row.outcome} {row.code} {row.reason}", markup=False, highlight=False)


# ---------------------------------------------------------------- command


def main() -> int:
    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="operators in all (default: 300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", type=names, default=list(TARGETS), help="with commas")
    parser.add_argument("--only", metavar="CASE", help="one case: its text, lines and results")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time (default: 1)")
    options = parser.parse_args()
    unknown = set(options.target) - set(TARGETS)
    if unknown:
        parser.error(f"no target named {', '.join(sorted(unknown))}")
    console = Console()
    warm_up()
    if options.only:
        (answer,) = answers([options.only], trip, seconds=CASE_SECONDS)
        show(options.only, row_of(answer), console)
        return 1 if row_of(answer).outcome in WRONG else 0
    cases = [
        f"{options.target[number % len(options.target)]}-{options.seed}-{number}"
        for number in range(options.count)
    ]
    found: dict[str, Trip] = {}
    for answer in answers(cases, trip, seconds=CASE_SECONDS, jobs=options.jobs):
        found[answer.case] = row_of(answer)
    rows = [(name, found[name]) for name in cases]
    console.print(outcomes([row for _, row in rows]))
    refused = [(name, row) for name, row in rows if row.outcome == "refused"]
    wrong = [(name, row) for name, row in rows if row.outcome in WRONG]
    failed = Counter((row.target, row.schedule, row.reason[:100])
                     for _, row in rows if row.outcome == "emit failed")  # fmt: skip
    for title, some in (("refused", refused), ("wrong", wrong)):
        if some:
            console.print(reasons(title, some))
    for (target, schedule, reason), count in failed.most_common():
        console.print(f"emit failed, {count}: {target}, {schedule}: {reason}", markup=False,
                      highlight=False)  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
