"""What the frontends read of the corpus, and whether what they read is the kernel.

    python benchmarks/read_corpus.py
    python benchmarks/read_corpus.py --dialect cuda,hip --operators gemm,softmax --shapes all
    python benchmarks/read_corpus.py --wild --json rows.json --jobs 2

Each kernel is parsed and read to its flat program, and its text is run as written on inputs of two
families. The flat program has to do what the text does, the text what numpy does. By default a
kernel is read at its cheapest shape.

| column   | what held                                                      |
|----------|----------------------------------------------------------------|
| parsed   | the text is valid in its dialect, all names in it are known    |
| flat     | it has a flat program                                          |
| = source | the flat program, compiled by TVM, does what the emulated text |
| = numpy  | the emulated text does what numpy does                         |

A kernel that is refused stands in a second table with the place and the reason. The exit code is 1
where two of the three disagree or where a frontend ends in anything but a refusal.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from children import answers
from corpus import Case, entries
from rich.console import Console
from rich.table import Table

from xpiler_tvm import frontends
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.frontends.resolving import unit_of
from xpiler_tvm.kernel import DIALECTS, Dialect, Kernel, Launch, Tensor
from xpiler_tvm.oracles import check_module
from xpiler_tvm.stopwatch import cpu_seconds
from xpiler_tvm.trials import Trial
from xpiler_tvm.verification.inputs import Family

FAMILIES: tuple[Family, ...] = ("random", "indexed")
RUN_SECONDS = 20.0  # CPU seconds of one run of a text
CASE_SECONDS = 120  # and of all that is done to a case
CASE_BYTES = 8 << 30  # of addresses


@dataclass(frozen=True)
class Row:
    """What became of a case.

    `same` says whether the flat program does what the text does, `right` whether the text does what
    numpy does; `None` where that was not found out. `code`, `line` and `reason` tell of a refusal,
    `wrong` of a defect. `seconds` is the CPU time from the text to the flat program.
    """

    dialect: Dialect
    operator: str
    style: str
    name: str
    shape: str
    parsed: bool = False
    flat: bool = False
    same: bool | None = None
    right: bool | None = None
    code: str = ""
    line: int = 0
    reason: str = ""
    wrong: str = ""
    seconds: float = 0.0


def row_of(case: Case) -> Row:
    entry = case.entry
    return Row(entry.dialect, entry.operator, entry.style, entry.name, case.shape_name)


def examine(case: Case) -> Row:
    """Reads and runs a case. What a frontend raises beside refusals is let through."""
    row, kernel, flat = row_of(case), case.kernel, None
    begun = cpu_seconds()
    try:
        unit_of(kernel.source, kernel.dialect, kernel.filename)
        row = replace(row, parsed=True)
        flat = to_module(frontends.read(frontends.resolve(kernel)).program)
        row = replace(row, flat=True)
    except XpilerError as error:
        line = error.span.line if error.span else 0
        row = replace(row, code=error.code, line=line, reason=error.message)
    row = replace(row, seconds=cpu_seconds() - begun)

    trials, wrong = [], []
    for family in FAMILIES:
        inputs = case.inputs(family=family)
        try:
            outputs = case.run(inputs, seconds=RUN_SECONDS).arrays
        except XpilerError as error:
            place = f"{error.span}: " if error.span else ""
            return replace(row, right=False, wrong=f"the text does not run: {place}{error.message}")
        difference = case.wrong(outputs, inputs)
        wrong += [f"text, {family} inputs: {difference}"] if difference else []
        trials.append(Trial(inputs, {}, outputs))
    row = replace(row, right=not wrong)
    if flat is not None:
        check = check_module("flat = source", flat, kernel, trials)
        wrong += [] if check.ok else [f"flat program: {check.detail}"]
        row = replace(row, same=check.ok)
    return replace(row, wrong="; ".join(wrong))


# ---------------------------------------------------------------- processes


def warm_up() -> None:
    """Loads what every case needs, so that none is charged with it."""
    params, launch = (Tensor("y", (1,), "float32", "out"),), Launch((1,), (1,))
    text = "__global__ void k(float* y) { y[0] = 1.0f; }"
    to_module(frontends.read(Kernel(text, "cuda", "k", params, launch)).program)


def rows_of(cases: Sequence[Case], jobs: int) -> Iterator[Row]:
    """The rows of cases as they come, each from a process of its own that has limits."""
    for answer in answers(cases, examine, seconds=CASE_SECONDS, bytes_=CASE_BYTES, jobs=jobs):
        if isinstance(answer.value, Row):
            yield answer.value
        else:
            *traceback, last = answer.ended.strip().splitlines()
            wrong = f"a defect: {last}" if traceback else last
            yield replace(row_of(answer.case), wrong=wrong)


# ---------------------------------------------------------------- tables


def summary(rows: Sequence[Row], by: str) -> Table:
    """Groups by dialects, of how many kernels each column held; `by` is the field of a group."""
    dialects = [one for one in DIALECTS if any(row.dialect == one for row in rows)]
    table = Table(title="parsed, flat, flat = source, source = numpy (of kernels)")
    table.add_column(by)
    for dialect in dialects:
        table.add_column(dialect, justify="right")
    for group in dict.fromkeys(getattr(row, by) for row in rows):
        of_group = [row for row in rows if getattr(row, by) == group]
        table.add_row(group, *(_cell(of_group, dialect) for dialect in dialects))
    table.add_section()
    table.add_row("all", *(_cell(rows, dialect) for dialect in dialects))
    return table


def _cell(rows: Iterable[Row], dialect: Dialect) -> str:
    mine = [row for row in rows if row.dialect == dialect]
    if not mine:
        return ""
    counts = [
        sum(bool(getattr(row, column)) for row in mine)
        for column in ("parsed", "flat", "same", "right")
    ]
    text = " ".join(map(str, counts)) + f" of {len(mine)}"
    if any(row.wrong for row in mine):
        return f"[red]{text}[/red]"
    return text if min(counts) == len(mine) else f"[yellow]{text}[/yellow]"


def refusals(rows: Iterable[Row]) -> Table:
    table = Table(title="refused")
    for column in ("kernel", "shape", "code", "line", "reason"):
        table.add_column(column, overflow="fold")
    for row in rows:
        if row.code:
            kernel, line = f"{row.dialect}/{row.name}", str(row.line) if row.line else ""
            table.add_row(kernel, row.shape, row.code, line, row.reason.replace("[", r"\["))
    return table


def totals(rows: Sequence[Row]) -> str:
    seconds = [row.seconds for row in rows if row.flat]
    times = "none"
    if seconds:
        slowest = max((row for row in rows if row.flat), key=lambda row: row.seconds)
        median, worst = statistics.median(seconds), slowest.seconds
        times = f"median {median:.2f} s, worst {worst:.2f} s ({slowest.dialect}/{slowest.name})"
    counts = {
        "parsed": sum(row.parsed for row in rows),
        "flat": sum(row.flat for row in rows),
        "flat = source": sum(row.same is True for row in rows),
        "source = numpy": sum(row.right is True for row in rows),
        "refused": sum(bool(row.code) for row in rows),
        "wrong": sum(bool(row.wrong) for row in rows),
    }
    text = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{len(rows)} cases: {text}\nCPU time from the text to flat TIR: {times}"


# ---------------------------------------------------------------- command


def chosen(options: argparse.Namespace) -> list[Case]:
    """The cases that the options ask for."""
    found = [
        entry
        for dialect in DIALECTS
        if dialect in options.dialect
        for entry in entries(dialect, operators=options.operators, wild=options.wild)
    ]
    if options.shapes == "all":
        return [entry.at(name) for entry in found for name in entry.shapes]
    return [entry.cheapest() for entry in found]


def main() -> int:
    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--dialect", type=names, default=DIALECTS, help="with commas (default: all)"
    )
    parser.add_argument("--operators", type=names, default=[], help="with commas (default: all)")
    parser.add_argument("--wild", action="store_true", help="the wild kernels, not the grid")
    parser.add_argument("--shapes", choices=("cheapest", "all"), default="cheapest")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time (default: 1)")
    options = parser.parse_args()
    unknown = set(options.dialect) - set(DIALECTS)
    if unknown:
        parser.error(f"no dialect named {', '.join(sorted(unknown))}")
    cases = chosen(options)
    if not cases:
        parser.error("there is no such kernel")

    warm_up()
    order = {str(case): place for place, case in enumerate(cases)}
    rows = sorted(
        rows_of(cases, options.jobs), key=lambda row: order[f"{row.dialect}/{row.name}@{row.shape}"]
    )
    console = Console()
    console.print(summary(rows, "style" if options.wild else "operator"))
    if any(row.code for row in rows):
        console.print(refusals(rows))
    for row in rows:
        if row.wrong:
            name = f"{row.dialect}/{row.name}@{row.shape}"
            console.print(f"wrong: {name}: {row.wrong}", style="red", markup=False)
    console.print(totals(rows), highlight=False)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    return 1 if any(row.wrong for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
