"""What becomes of a kernel on a target, step by step, each kernel in a process with limits."""

from __future__ import annotations

import json
import resource
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from children import answers
from corpus import Arrays, Case, Shape, entries
from read_corpus import CASE_BYTES

import xpiler_tvm as xt
from xpiler_tvm import frontends, targets
from xpiler_tvm.compiled import check_compiles
from xpiler_tvm.emulation import run_text
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.kernel import Dialect, Kernel
from xpiler_tvm.oracles import check_module

CASE_SECONDS = 240
CHECKED_SECONDS = 60.0

UNSEEN = 1009
"""The seed of the inputs that no translation is tried on."""

OUTCOMES = ("right", "refused", "wrong", "crash")


class Means(Protocol):
    """What a kernel is to do, told by something else than its text: a `corpus.Case` does."""

    def inputs(self, seed: int) -> Arrays: ...

    def wrong(self, outputs: Arrays, inputs: Arrays) -> str: ...


@dataclass(frozen=True)
class Row:
    """What became of a kernel on a target.

    `outcome` is one of `OUTCOMES`; `code` and `reason` tell of what is not right. `understood`,
    `lifted`, `emitted`: how far it came. What was emitted is `built` by `compiler`, `clean` in a
    checked run, does on unseen inputs what `numpy` does, and comes `back` through our frontend;
    `None` where that was not found out. `proved` of `obligations` hold of indices and threads.
    `seconds` are CPU seconds from the text to the verdict, `megabytes` the most that the process
    held. `reduced`: the shape is not the grid's.
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
    understood: bool | None = True
    lifted: bool | None = True
    emitted: bool | None = True
    built: bool | None = None
    compiler: str = ""
    clean: bool | None = None
    back: bool | None = None
    findings: str = ""
    numpy: bool | None = None
    proved: int = 0
    obligations: int = 0
    seconds: float = 0.0
    megabytes: int = 0

    @property
    def kernel(self) -> str:
        return f"{self.dialect}/{self.name}@{self.shape}"

    @property
    def made(self) -> bool:
        """The translation came to its end, with every check of its own."""
        return self.outcome == "right"

    @property
    def right(self) -> bool:
        """What was made holds in every check that was made of it."""
        return self.made and False not in (self.built, self.clean, self.numpy)


@dataclass(frozen=True)
class Subject:
    """A kernel at a shape; without `means` its text alone says what it is to do."""

    kernel: Kernel
    operator: str
    name: str
    shape: str
    reduced: bool = False
    means: Means | None = None

    def __str__(self) -> str:
        return f"{self.kernel.dialect}/{self.name}@{self.shape}"


@lru_cache(maxsize=64)
def _grid(dialect: Dialect, operator: str) -> Mapping[str, Sequence[Shape]]:
    found = entries(dialect, operators={operator}, full=True)
    return {entry.name: list(entry.shapes.values()) for entry in found}


def of_corpus(case: Case) -> Subject:
    """A case of the corpus as a subject."""
    entry, shape = case.entry, case.entry.shapes[case.shape_name]
    full = _grid(entry.dialect, entry.operator).get(entry.name, [shape])
    return Subject(
        case.kernel, entry.operator, entry.name, case.shape_name, shape not in full, case
    )


@dataclass(frozen=True)
class Job:
    """A subject and what it is to be translated to; `read_back`: what is emitted is read again."""

    subject: Subject
    targets: tuple[str, ...]
    read_back: bool = False

    def row(self, target: str) -> Row:
        one = self.subject
        return Row(one.kernel.dialect, one.operator, one.name, one.shape, one.reduced, target)


def examine(job: Job) -> list[Row]:
    """The rows of a job. What is no refusal is let through."""
    try:
        lifted = xt.lift(job.subject.kernel)
    except XpilerError as error:
        missed = {"understood": not error.code.startswith("XP1"), "lifted": False, "emitted": False}
        return [replace(refused(job.row(to), error), **missed) for to in job.targets]
    return [_translated(job, lifted, to) for to in job.targets]


def refused(row: Row, error: XpilerError) -> Row:
    """The row of an error: a result that differs is wrong, all else is a refusal."""
    outcome = "wrong" if error.code == "XP5001" else "refused"
    return replace(row, outcome=outcome, code=error.code, reason=error.message)


def _translated(job: Job, lifted: xt.Lifted, target: str) -> Row:
    held = [one.verdict == "proved" for one in lifted.obligations]
    row = replace(job.row(target), proved=sum(held), obligations=len(held))
    try:
        result = xt.transcompile(lifted, target)
    except XpilerError as error:
        return replace(refused(row, error), emitted=False, seconds=sum(lifted.seconds.values()))
    seconds = round(sum(result.seconds.values()), 3)
    row = replace(row, rung=result.rung, rule=result.rule, seconds=seconds)
    if result.kernel is None:
        return replace(row, reason="" if target == "opencl" else "no C, LLVM's library alone")
    row = replace(row, **_built(result), **_checked(job.subject, result))
    row = replace(row, megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
    return replace(row, **_read_back(result)) if job.read_back else row


def _built(result: xt.Translation) -> dict[str, Any]:
    """Whether a compiler of the target's takes the file, and which; nothing without one."""
    spec = targets.get(result.target)
    if result.target == "vnni":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "kernel.c"
            file.write_text(result.source)
            command = spec.compiler.command_for(file, "cascadelake")
            code = subprocess.run(command, capture_output=True, check=False).returncode
            return {"built": code == 0, "compiler": Path(command[0]).name}
    assert result.kernel is not None
    if not spec.compiler.arch:
        return {}
    emitted = targets.Emitted(result.source, result.kernel, result.entry)
    verdict = check_compiles(spec, emitted).verdict
    if verdict == "unknown":
        return {}
    return {"built": verdict == "tested", "compiler": spec.compiler.command[0]}


def _checked(subject: Subject, result: xt.Translation) -> dict[str, Any]:
    """What a checked run of the emitted text finds, on inputs that no check of it has seen."""
    trial, kernel, means = result.lifted.trials[0], result.kernel, subject.means
    assert kernel is not None
    inputs = means.inputs(UNSEEN) if means else trial.inputs
    try:
        run = run_text(
            kernel,
            inputs,
            trial.scalars,
            text=frontends.device_text(kernel),
            seconds=CHECKED_SECONDS,
            build="checked",
        )
    except XpilerError as error:
        return {"findings": f"{error.code}: {error.message}"}
    found = "; ".join(f"{one.kind}: {one.message}" for one in run.findings)
    clean = run.complete and not run.findings
    if means is None or not clean:
        return {"clean": clean, "findings": found}
    wrong = means.wrong(run.arrays, inputs)
    return {"clean": clean, "numpy": not wrong, "findings": wrong}


def _read_back(result: xt.Translation) -> dict[str, Any]:
    """Whether our frontend reads what was emitted, and it does what the source does."""
    lifted, kernel = result.lifted, result.kernel
    assert kernel is not None
    try:
        program = to_module(frontends.read(frontends.resolve(kernel)).program)
    except XpilerError as error:
        return {"back": False, "reason": f"read back: {error.code}: {error.message}"}
    check = check_module("", program, lifted.kernel, lifted.trials)
    return {"back": check.ok, "reason": "" if check.ok else f"read back: {check.detail}"}


def rows_of(jobs: Sequence[Job], at_once: int) -> Iterator[list[Row]]:
    """The rows of each job as it ends, each from a process of its own that has limits."""
    for answer in answers(jobs, examine, seconds=CASE_SECONDS, bytes_=CASE_BYTES, jobs=at_once):
        if isinstance(answer.value, list):
            yield answer.value
            continue
        unknown = dict.fromkeys(("understood", "lifted", "emitted"))
        last = answer.ended.strip().splitlines()[-1]
        yield [
            replace(answer.case.row(target), outcome="crash", reason=last, **unknown)
            for target in answer.case.targets
        ]


# ---------------------------------------------------------------- kept rows


def kept(file: Path | None) -> list[Row]:
    """The rows of an earlier run; crashes are tried again."""
    text = file.read_text() if file and file.exists() else ""
    found = [Row(**json.loads(line)) for line in text.splitlines()]
    return [row for row in found if row.outcome != "crash"]


def keep(file: Path | None, rows: Sequence[Row]) -> None:
    """Adds rows to a file, one a line, so that an interrupted run has all but its last case."""
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as out:
            out.writelines(json.dumps(asdict(row)) + "\n" for row in rows)
