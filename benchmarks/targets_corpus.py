"""The corpus for every target: is what comes out compiled, right and without faults?

    python benchmarks/targets_corpus.py --jobs 2
    python benchmarks/targets_corpus.py --dialect cuda --targets hip,bang --operators softmax,gemm
    python benchmarks/targets_corpus.py --read-back --json rows.json

Each kernel is lifted once and translated to each target. Shapes are the grid's, reduced to what
the emulator runs in about a second (`--shapes all` takes each of them, not the cheapest alone);
where a reduction has been made the table's last line says so.

| column | what held                                                                            |
|--------|--------------------------------------------------------------------------------------|
| made   | the kernel was lifted, scheduled and emitted, and every check of the translation held |
| built  | the vendor's compiler took the file (nvcc, g++); `-` where this machine has none       |
| clean  | a checked run of the emitted text, in the target's strict mode, found no fault          |
| read   | with `--read-back`: our frontend reads it, and the program does what the source does    |

With `--json` rows are kept as they come, and a later run with the same file goes on where this one
ended, and tries crashes again. What was not made stands in a second table with its reason. The exit
code is 1 where a result is wrong, which a refusal is not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from children import answers
from corpus import Case, entries
from read_corpus import CASE_BYTES, warm_up
from rich.console import Console
from rich.table import Table

import xpiler_tvm as xt
from xpiler_tvm import frontends, targets
from xpiler_tvm.compiled import check_compiles
from xpiler_tvm.emulation import run_text
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.kernel import DIALECTS
from xpiler_tvm.oracles import check_module

CASE_SECONDS = 240
CHECKED_SECONDS = 60.0

OUTCOMES = ("right", "refused", "wrong", "crash")


@dataclass(frozen=True)
class Row:
    """What became of a kernel on a target.

    `outcome` is one of `OUTCOMES`; `code` and `reason` tell of what is not right. `built`, `clean`
    and `read` are `None` where that was not found out. `reduced`: the shape is not the grid's.
    """

    dialect: str
    operator: str
    name: str
    shape: str
    reduced: bool
    target: str
    outcome: str = "right"
    code: str = ""
    reason: str = ""
    rung: str = ""
    rule: str = ""
    built: bool | None = None
    clean: bool | None = None
    read: bool | None = None
    findings: str = ""

    @property
    def kernel(self) -> str:
        return f"{self.dialect}/{self.name}@{self.shape}"


@dataclass(frozen=True)
class Job:
    """A case and what it is to be translated to."""

    case: Case
    targets: tuple[str, ...]
    read_back: bool

    def row(self, target: str) -> Row:
        entry = self.case.entry
        full = entries(entry.dialect, operators={entry.operator}, full=True)
        shapes = next(one.shapes for one in full if one.name == entry.name)
        here = entry.shapes[self.case.shape_name]
        reduced = here not in shapes.values()
        return Row(entry.dialect, entry.operator, entry.name, self.case.shape_name, reduced, target)


def examine(job: Job) -> list[Row]:
    """The rows of a case. What is no refusal is let through."""
    try:
        lifted = xt.lift(job.case.kernel)
    except XpilerError as error:
        return [_refused(job.row(target), error) for target in job.targets]
    return [_translated(job, lifted, target) for target in job.targets]


def _refused(row: Row, error: XpilerError) -> Row:
    outcome = "wrong" if error.code == "XP5001" else "refused"
    return replace(row, outcome=outcome, code=error.code, reason=error.message)


def _translated(job: Job, lifted: xt.Lifted, target: str) -> Row:
    row = job.row(target)
    try:
        result = xt.transcompile(lifted, target)
    except XpilerError as error:
        return _refused(row, error)
    row = replace(row, rung=result.rung, rule=result.rule)
    if result.kernel is None:
        return replace(row, reason="" if target == "opencl" else "no C, LLVM's library alone")
    row = replace(row, built=_built(result), **_faults(result))
    return replace(row, **_read_back(result)) if job.read_back else row


def _built(result: xt.Translation) -> bool | None:
    """Whether the vendor's compiler takes the file; `None` without one."""
    spec = targets.get(result.target)
    if result.target == "vnni":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "kernel.c"
            file.write_text(result.source)
            command = spec.compiler.command_for(file, "cascadelake")
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert result.kernel is not None
    emitted = targets.Emitted(result.source, result.kernel, result.entry)
    verdict = check_compiles(spec, emitted).verdict if spec.compiler.arch else "unknown"
    return None if verdict == "unknown" else verdict == "tested"


def _faults(result: xt.Translation) -> dict[str, object]:
    """What a checked run of the emitted text finds."""
    trial, kernel = result.lifted.trials[0], result.kernel
    assert kernel is not None
    text = frontends.device_text(kernel)
    try:
        run = run_text(
            kernel,
            trial.inputs,
            trial.scalars,
            text=text,
            seconds=CHECKED_SECONDS,
            build="checked",
        )
    except XpilerError as error:
        return {"findings": f"{error.code}: {error.message}"}
    found = "; ".join(f"{one.kind}: {one.message}" for one in run.findings)
    return {"clean": run.complete and not run.findings, "findings": found}


def _read_back(result: xt.Translation) -> dict[str, object]:
    """Whether our frontend reads what was emitted, and it does what the source does."""
    lifted, kernel = result.lifted, result.kernel
    assert kernel is not None
    try:
        program = to_module(frontends.read(frontends.resolve(kernel)).program)
    except XpilerError as error:
        return {"read": False, "reason": f"read back: {error.code}: {error.message}"}
    check = check_module("", program, lifted.kernel, lifted.trials)
    return {"read": check.ok, "reason": "" if check.ok else f"read back: {check.detail}"}


def rows_of(jobs: Sequence[Job], at_once: int) -> Iterator[list[Row]]:
    """The rows of each job as it ends, each from a process of its own that has limits."""
    for answer in answers(jobs, examine, seconds=CASE_SECONDS, bytes_=CASE_BYTES, jobs=at_once):
        if isinstance(answer.value, list):
            yield answer.value
            continue
        last = answer.ended.strip().splitlines()[-1]
        yield [
            replace(answer.case.row(target), outcome="crash", reason=last)
            for target in answer.case.targets
        ]


# ---------------------------------------------------------------- tables


def summary(rows: Sequence[Row]) -> Table:
    """By direction, how many kernels each column held for."""
    table = Table(title="translations of the corpus")
    for column in ("direction", "kernels", "made", "built", "clean", "read", "blocks"):
        table.add_column(column, justify="left" if column == "direction" else "right")
    pairs = dict.fromkeys((row.dialect, row.target) for row in rows)
    for dialect, target in pairs:
        table.add_row(
            f"{dialect} -> {target}",
            *_cells([row for row in rows if (row.dialect, row.target) == (dialect, target)]),
        )
    table.add_section()
    table.add_row("all", *_cells(rows))
    return table


def _cells(rows: Sequence[Row]) -> list[str]:
    made = [row for row in rows if row.outcome == "right"]

    def held(values: Iterable[bool | None]) -> str:
        known = [value for value in values if value is not None]
        return f"{sum(known)} of {len(known)}" if known else "-"

    return [
        str(len(rows)),
        f"{len(made)} ({len(made) / max(1, len(rows)):.0%})",
        held(row.built for row in made),
        held(row.clean for row in made),
        held(row.read for row in made),
        str(sum(row.rung == "blocks" for row in made)),
    ]


def misses(rows: Iterable[Row]) -> Table:
    table = Table(title="what is missing")
    for column in ("kernel", "target", "what", "code", "reason"):
        table.add_column(column, overflow="fold")
    for row in rows:
        what = [row.outcome] if row.outcome != "right" else []
        columns = ("built", "clean", "read")
        what += [f"not {name}" for name in columns if getattr(row, name) is False]
        if what:
            reason = (row.reason or row.findings)[:400].replace("[", r"\[")
            table.add_row(row.kernel, row.target, ", ".join(what), row.code, reason)
    return table


# ---------------------------------------------------------------- command


def main() -> int:
    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialect", type=names, default=DIALECTS, help="sources, with commas")
    parser.add_argument("--targets", type=names, default=DIALECTS, help="with commas; also opencl")
    parser.add_argument("--operators", type=names, default=[], help="with commas (default: all)")
    parser.add_argument("--wild", action="store_true", help="the wild kernels, not the grid")
    parser.add_argument("--shapes", choices=("cheapest", "all"), default="cheapest")
    parser.add_argument("--read-back", action="store_true", help="read what was emitted, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the rows there, and go on")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time (default: 1)")
    options = parser.parse_args()
    for given, known in ((options.dialect, DIALECTS), (options.targets, targets.TARGETS)):
        if unknown := set(given) - set(known):
            parser.error(f"there is no {', '.join(sorted(unknown))}")
    found = [
        entry
        for dialect in options.dialect
        for entry in entries(dialect, operators=options.operators, wild=options.wild)
    ]
    if not found:
        parser.error("there is no such kernel")
    cases = (
        [entry.at(name) for entry in found for name in entry.shapes]
        if options.shapes == "all"
        else [entry.cheapest() for entry in found]
    )
    kept = options.json.read_text() if options.json and options.json.exists() else "[]"
    rows = [row for one in json.loads(kept) if (row := Row(**one)).outcome != "crash"]
    done = {(row.kernel, row.target) for row in rows}
    jobs = [
        Job(case, rest, options.read_back)
        for case in cases
        if (rest := tuple(t for t in options.targets if (str(case), t) not in done))
    ]
    warm_up()
    for some in rows_of(jobs, options.jobs):
        rows += some
        if options.json:
            options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    rows.sort(key=lambda row: (row.dialect, row.target))
    console = Console()
    console.print(summary(rows))
    console.print(misses(rows))
    counts = Counter(row.outcome for row in rows)
    console.print(", ".join(f"{name} {counts[name]}" for name in OUTCOMES), highlight=False)
    console.print(f"{sum(row.reduced for row in rows)} of {len(rows)} at a reduced shape")
    wrong = any(
        row.outcome in ("wrong", "crash") or row.clean is False or row.read is False for row in rows
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
