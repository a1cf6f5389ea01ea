"""What becomes of kernels as TensorIR: raised, scheduled, proved, and whether it is right.

    python benchmarks/raise_corpus.py
    python benchmarks/raise_corpus.py --set corpus --dialect bang --operators gemm,softmax
    python benchmarks/raise_corpus.py --set trips --count 300 --seed 1 --jobs 2 --json rows.json

Three sets: the corpus (operators x dialects), the wild kernels, and texts that TVM and our emitters
made of random operators. A kernel's flat program is raised to SBlocks. A battery of TVM's
primitives (`battery.py`) is tried on the result, and all that comes out is executed: it must give
what the text gives, as written. Obligations are those of `xpiler_tvm.verification.proofs`.

| column      | what held                                                                   |
|-------------|-----------------------------------------------------------------------------|
| raised      | blocks with axes, not one opaque block                                      |
| mixed       | of these, those where some blocks hold what was not understood              |
| schedulable | raised, and every idea of the battery that applies was done by TVM          |
| wrong       | the raised form, or a schedule of it, does not do what the text does        |
| proved      | of the obligations about indices, each one counted                          |

A second table says how far kernels of one operator end in the same TensorIR, a third what was not
raised or not scheduled, and why. Ctrl-C ends it early with the tables so far. The exit code is 1
where something is wrong.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import tvm
from battery import Attempt, battery, is_schedulable
from children import answers
from corpus import Case, entries
from read_corpus import warm_up
from rich.console import Console
from rich.table import Table

from xpiler_tvm import frontends
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.frontends.raising import out_of_place, raise_program
from xpiler_tvm.frontends.recognition.agreement import difference
from xpiler_tvm.kernel import DIALECTS, Kernel
from xpiler_tvm.oracles import check_module
from xpiler_tvm.stopwatch import cpu_seconds
from xpiler_tvm.trials import Trial
from xpiler_tvm.verification.proofs import INDEX_KINDS, obligations

SETS = ("corpus", "wild", "trips")
RUN_SECONDS = 20.0  # CPU seconds of one run of a text
CASE_SECONDS = 240  # and of all that is done to a kernel
CASE_BYTES = 8 << 30  # of addresses


@dataclass(frozen=True)
class Row:
    """What became of a kernel.

    `rung`, `reason` and `line` are those of raising. `refused` are ideas of the battery that TVM
    refused, with its words; `wrong` is what differs from the text. `proved` and `open` count
    obligations about indices, `refuted` names those that do not hold. `seconds` are CPU seconds
    from the text to the raised form with its obligations, `megabytes` the most that the process
    had. `module` is the raised form, as JSON.
    """

    set: str
    dialect: str
    operator: str
    name: str
    rung: str = ""
    reason: str = ""
    line: int = 0
    blocks: int = 0
    schedulable: bool = False
    refused: dict[str, str] = field(default_factory=dict)
    done: tuple[str, ...] = ()
    wrong: str = ""
    proved: int = 0
    open: int = 0
    refuted: str = ""
    seconds: float = 0.0
    megabytes: int = 0
    module: str = ""

    @property
    def raised(self) -> bool:
        return self.rung in ("blocks", "mixed")


@dataclass(frozen=True)
class Subject:
    """A kernel that is to be raised: one of a manifest, or a text of a round trip by its name."""

    set: str
    case: Case | None
    trip: str = ""

    def row(self) -> Row:
        if self.case is None:
            return Row(self.set, self.trip.split("-")[0], "", self.trip)
        entry = self.case.entry
        return Row(self.set, entry.dialect, entry.operator, entry.name)

    def kernel(self) -> tuple[Kernel, dict[str, np.ndarray]]:
        """The kernel, and inputs for it."""
        if self.case is not None:
            return self.case.kernel, self.case.inputs()
        from roundtrips.trips import make

        made = make(self.trip)
        return made.kernel, made.inputs


def examine(subject: Subject) -> Row | None:
    """Raises, schedules and runs a kernel; None where a round trip has no text."""
    row = subject.row()
    try:
        kernel, inputs = subject.kernel()
    except Exception as error:
        if subject.case is None and type(error).__name__ == "NotEmitted":
            return None
        raise
    begun = cpu_seconds()
    try:
        reading = frontends.read(frontends.resolve(kernel))
        kernel = reading.kernel
        raised = raise_program(reading.program)
        duties = obligations(reading, raised.mod, raised.rung)
    except XpilerError as error:
        return replace(row, rung="refused", reason=f"{error.code}: {error.message}")
    row = replace(
        row,
        rung=raised.rung,
        reason=raised.reason,
        line=raised.span.line if raised.span else 0,
        blocks=raised.mod.script().count("with T.sblock("),
        seconds=cpu_seconds() - begun,
        megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        module=tvm.ir.save_json(raised.mod),
    )
    about_indices = [one for one in duties if one.kind in INDEX_KINDS]
    proved = sum(one.verdict == "proved" for one in about_indices)
    refuted = [f"{one.kind}: {one.detail}" for one in duties if one.verdict == "refuted"]
    row = replace(row, proved=proved, open=len(about_indices) - proved, refuted="; ".join(refuted))

    try:
        outputs = _run(subject, kernel, inputs)
    except XpilerError as error:
        return replace(row, reason=f"the text does not run: {error.message}")
    trials = [Trial(inputs, {}, outputs)]
    check = check_module("raised = source", raised.mod, kernel, trials)
    wrong = [] if check.ok else [f"raised: {check.detail}"]
    if not row.raised:
        return replace(row, wrong="; ".join(wrong))
    made = out_of_place(raised.mod)
    attempts: dict[str, Attempt] = dict(battery(made.mod))
    for name, attempt in attempts.items():
        if attempt.mod is not None:
            label, updated = f"{name} = source", made.updated
            check = check_module(label, attempt.mod, kernel, trials, expose=False, updated=updated)
            wrong += [] if check.ok else [f"{name}: {check.detail}"]
    return replace(
        row,
        schedulable=is_schedulable(list(attempts.values())),
        refused={name: one.reason for name, one in attempts.items() if one.mod is None},
        done=tuple(name for name, one in attempts.items() if one.mod is not None),
        wrong="; ".join(wrong),
    )


def _run(subject: Subject, kernel: Kernel, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    from xpiler_tvm.emulation import run_text

    if subject.case is not None:
        return subject.case.run(inputs, seconds=RUN_SECONDS).arrays
    return run_text(kernel, inputs, seconds=RUN_SECONDS).arrays


def rows_of(subjects: Sequence[Subject], jobs: int) -> Iterator[Row]:
    """The rows as they come, each from a process of its own that has limits."""
    for answer in answers(subjects, examine, seconds=CASE_SECONDS, bytes_=CASE_BYTES, jobs=jobs):
        if isinstance(answer.value, Row):
            yield answer.value
        elif answer.ended:
            *traceback, last = answer.ended.strip().splitlines()
            wrong = f"a defect: {last}" if traceback else last
            yield replace(answer.case.row(), rung="ended", wrong=wrong)


# ---------------------------------------------------------------- tables


def summary(rows: Sequence[Row]) -> Table:
    table = Table(title="raised and scheduled")
    columns = ("set", "dialect", "kernels", "raised", "mixed", "schedulable", "wrong", "proved")
    for column in columns:
        table.add_column(column, justify="left" if column in ("set", "dialect") else "right")
    for name in dict.fromkeys(row.set for row in rows):
        of_set = [row for row in rows if row.set == name]
        dialects = [one for one in DIALECTS if any(row.dialect == one for row in of_set)]
        for dialect in dialects:
            table.add_row(name, dialect, *_counts([r for r in of_set if r.dialect == dialect]))
        table.add_row(name, "all", *_counts(of_set))
        table.add_section()
    return table


def _counts(rows: Sequence[Row]) -> list[str]:
    duties = sum(row.proved + row.open for row in rows)
    return [
        str(len(rows)),
        _share(sum(row.raised for row in rows), len(rows)),
        str(sum(row.rung == "mixed" for row in rows)),
        _share(sum(row.schedulable for row in rows), len(rows)),
        str(sum(bool(row.wrong) for row in rows)),
        f"{_share(sum(row.proved for row in rows), duties)} of {duties}",
    ]


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / max(1, whole):.1%})"


def ideas(rows: Sequence[Row]) -> Table:
    table = Table(title="the battery, of the kernels that were raised")
    for column in ("idea", "applied", "refused"):
        table.add_column(column, justify="left" if column == "idea" else "right")
    names = dict.fromkeys(name for row in rows for name in (*row.done, *row.refused))
    for name in names:
        done, refused = (
            sum(name in of for of in column)
            for column in ([row.done for row in rows], [row.refused for row in rows])
        )
        table.add_row(name, str(done + refused), str(refused))
    return table


def agreement(rows: Sequence[Row]) -> Table:
    """How the kernels of an operator differ from the first of them that was raised."""
    table = Table(
        title="kernels of one operator: the same TensorIR as the first, or the difference"
    )
    dialects = [one for one in DIALECTS if any(row.dialect == one for row in rows)]
    table.add_column("operator")
    for dialect in dialects:
        table.add_column(dialect, overflow="fold")
    same = pairs = 0
    for operator in dict.fromkeys(row.operator for row in rows):
        mine = [row for row in rows if row.operator == operator]
        raised = [row for row in mine if row.raised]
        cells = dict.fromkeys(dialects, "")
        first = raised[0] if raised else None
        for row in mine:
            if row is first:
                text = "first"
            elif not row.raised or first is None:
                text = "not raised"
            else:
                found = difference(*(tvm.ir.load_json(each.module) for each in (first, row)))
                text, pairs, same = found or "same", pairs + 1, same + (not found)
            cells[row.dialect] += ("; " if cells[row.dialect] else "") + text
        table.add_row(operator, *(cells[dialect] for dialect in dialects))
    table.caption = f"{same} of {pairs} are the same as the first of their operator"
    return table


def shortfalls(rows: Sequence[Row]) -> Table:
    table = Table(title="not raised, not scheduled, wrong, or refuted")
    for column in ("set", "kernel", "line", "what"):
        table.add_column(column, overflow="fold")
    for row in rows:
        said = [row.wrong and f"WRONG: {row.wrong}", row.refuted and f"refuted {row.refuted}"]
        said += [row.reason]
        said += [f"{name}: {reason}" for name, reason in row.refused.items()]
        text = "; ".join(part for part in said if part).replace("[", r"\[")
        if text:
            line = str(row.line) if row.line else ""
            table.add_row(row.set, f"{row.dialect}/{row.name}", line, text)
    return table


def totals(rows: Sequence[Row]) -> str:
    timed = [row for row in rows if row.seconds]
    if not timed:
        return f"{len(rows)} kernels"
    slowest = max(timed, key=lambda row: row.seconds)
    largest = max(timed, key=lambda row: row.megabytes)
    median = statistics.median(row.seconds for row in timed)
    return (
        f"{len(rows)} kernels, wrong {sum(bool(row.wrong) for row in rows)}\n"
        f"CPU time from the text to blocks and obligations: median {median:.2f} s, "
        f"worst {slowest.seconds:.2f} s ({slowest.dialect}/{slowest.name})\n"
        f"memory: at most {largest.megabytes} MiB ({largest.dialect}/{largest.name})"
    )


# ---------------------------------------------------------------- command


def subjects_of(options: argparse.Namespace) -> list[Subject]:
    found: list[Subject] = []
    if "corpus" in options.set:
        found += [
            Subject("corpus", entry.cheapest())
            for dialect in options.dialect
            for entry in entries(dialect, operators=options.operators)
        ]
    if "wild" in options.set and "cuda" in options.dialect:
        wild = entries("cuda", operators=options.operators, wild=True)
        found += [Subject("wild", entry.cheapest()) for entry in wild]
    if "trips" in options.set:
        from roundtrips.trips import TARGETS

        targets = [one for one in TARGETS if one in options.dialect]
        found += [
            Subject("trips", None, f"{targets[number % len(targets)]}-{options.seed}-{number}")
            for number in range(options.count if targets else 0)
        ]
    return found


def main() -> int:
    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=names, default=list(SETS), help="with commas")
    parser.add_argument("--dialect", type=names, default=list(DIALECTS), help="with commas")
    parser.add_argument("--operators", type=names, default=[], help="with commas")
    parser.add_argument("--count", type=int, default=300, help="round trips (default: 300)")
    parser.add_argument("--seed", type=int, default=1, help="of the round trips")
    parser.add_argument("--jobs", type=int, default=1, help="kernels at a time (default: 1)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows, too")
    options = parser.parse_args()
    for given, known in ((options.set, SETS), (options.dialect, DIALECTS)):
        unknown = set(given) - set(known)
        if unknown:
            parser.error(f"none of {', '.join(known)}: {', '.join(sorted(unknown))}")
    console = Console()
    warm_up()
    if "trips" in options.set:
        from roundtrip import warm_up as warm_up_schedules

        warm_up_schedules()
    rows: list[Row] = []
    interrupted = False
    try:
        for row in rows_of(subjects_of(options), options.jobs):
            rows.append(row)
            if sys.stderr.isatty():
                print(f"\r{len(rows)} {row.dialect}/{row.name}\x1b[K", end="", file=sys.stderr)
    except KeyboardInterrupt:
        interrupted = True
    order = {name: place for place, name in enumerate(DIALECTS)}
    rows.sort(key=lambda row: (SETS.index(row.set), order[row.dialect], row.operator, row.name))
    if options.json:
        about = [{k: v for k, v in asdict(row).items() if k != "module"} for row in rows]
        options.json.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    corpus = [row for row in rows if row.set == "corpus"]
    for table in (summary(rows), ideas(rows), shortfalls(rows)):
        console.print(table)
    if corpus:
        console.print(agreement(corpus))
    console.print(totals(rows), highlight=False)
    return 130 if interrupted else int(any(row.wrong for row in rows))


if __name__ == "__main__":
    sys.exit(main())
