"""A run over subjects and targets that can be interrupted and goes on where it ended."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from read_corpus import warm_up
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .rows import Job, Row, Subject, keep, kept, rows_of


def run(
    subjects: Sequence[Subject],
    targets: Mapping[str, Sequence[str]],
    *,
    file: Path | None = None,
    at_once: int = 1,
    read_back: bool = False,
) -> list[Row]:
    """The rows of all subjects, those on file included; each is on file as soon as it is known.

    `targets` are those of a subject, by its name. An interrupt ends the run, and what was found so
    far is returned.
    """
    wanted = {(str(subject), target) for subject in subjects for target in targets[str(subject)]}
    rows = [row for row in kept(file) if (row.kernel, row.target) in wanted]
    done = {(row.kernel, row.target) for row in rows}
    jobs = [
        Job(subject, rest, read_back)
        for subject in subjects
        if (rest := tuple(to for to in targets[str(subject)] if (str(subject), to) not in done))
    ]
    warm_up()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("kernels", total=len(jobs))
        try:
            for some in rows_of(jobs, at_once):
                rows += some
                keep(file, some)
                bar.update(task, advance=1, description=some[0].kernel)
        except KeyboardInterrupt:
            print(f"interrupted: {len(rows)} of {len(wanted)} rows", file=sys.stderr)
    return sorted(rows, key=lambda row: (row.dialect, row.target, row.name, row.shape))


def is_bad(row: Row) -> bool:
    """A result that is wrong, which a refusal is not."""
    return row.outcome in ("wrong", "crash") or False in (
        row.built,
        row.clean,
        row.numpy,
        row.back,
    )
