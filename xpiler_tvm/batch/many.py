"""`transcompile_many`: jobs through any executor, a bounded number at a time, answers kept.

Kernels are taken from an iterator as there is room for them, so that a library of any length needs
the memory of a few. An executor is asked for nothing but `submit`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from concurrent.futures import ProcessPoolExecutor as Processes
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from xpiler_tvm.errors import SetupError
from xpiler_tvm.kernel import Kernel

from .job import Job, Limits, Result, begin, digest_of, run
from .ledger import Ledger

Named = Kernel | tuple[str, Kernel]
Progress = Callable[[Result], None]

IN_FLIGHT = 2
"""Jobs that are submitted for each that can run."""
ATTEMPTS = 2
"""How often a job is handed out whose worker died."""


@dataclass(frozen=True)
class Batch:
    """What a run did: `done` results came of it, `known` were in the ledger before.

    `counts` are of the done ones by status.
    """

    ledger: Ledger
    done: int
    known: int
    counts: dict[str, int]

    def __iter__(self) -> Iterator[Result]:
        """All results of the ledger."""
        return iter(self.ledger)

    def __repr__(self) -> str:
        said = ", ".join(f"{count} {status}" for status, count in sorted(self.counts.items()))
        return f"<batch: {self.done} done ({said or 'nothing'}), {self.known} known before>"

    def _repr_html_(self) -> str:
        from .report import fragment

        return fragment(self.ledger)


def transcompile_many(
    kernels: Iterable[Named],
    target: str | Iterable[str],
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    ledger: Ledger | str | Path | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Batch:
    """Translates each kernel for each target; refusals and crashes are results like others.

    Parameters
    ----------
    kernels : kernels, or pairs of a name and a kernel; taken one by one. Equal ones are done once.
    target : the target's name, or several.
    executor : any of `concurrent.futures`, also a cluster's (`Client.get_executor()` of Dask); by
        default `jobs` processes, one for each core.
    ledger : where results are kept; those that it has are not done again.
    limits : CPU seconds and memory of a job.
    progress : called with every result, in the order in which they come.

    Raises
    ------
    ReadError XP1012 : there is no such target.
    SetupError XP6008 : the executor has lost all its workers; the ledger has what was done.
    """
    from xpiler_tvm import targets

    names = (target,) if isinstance(target, str) else tuple(dict.fromkeys(target))
    for name in names:
        targets.get(name)
    count = jobs or (os.cpu_count() or 1)
    kept = ledger if isinstance(ledger, Ledger) else Ledger(ledger or ":memory:")
    runner = _Runner(executor, count, kept, progress)
    try:
        for job in _missing(kernels, names, limits or Limits(), kept, runner):
            runner.submit(job)
        runner.finish()
    finally:
        runner.close()
    counts = dict(sorted(runner.counts.items()))
    return Batch(kept, sum(counts.values()), runner.known, counts)


def _missing(
    kernels: Iterable[Named],
    names: tuple[str, ...],
    limits: Limits,
    ledger: Ledger,
    runner: _Runner,
) -> Iterator[Job]:
    """A job for each kernel that has no answer for some target."""
    for number, one in enumerate(kernels):
        name, kernel = one if isinstance(one, tuple) else (one.entry or f"kernel {number}", one)
        digest = digest_of(kernel)
        wanted = tuple(
            each
            for each in names
            if not ledger.has(digest, each) and (digest, each) not in runner.under_way
        )
        runner.known += len(names) - len(wanted)
        if wanted:
            yield Job(name, kernel, wanted, limits)


class _Runner:
    """Hands jobs to an executor and keeps what comes back."""

    def __init__(
        self, executor: Executor | None, jobs: int, ledger: Ledger, progress: Progress | None
    ) -> None:
        self._given, self._jobs, self._ledger, self._progress = executor, jobs, ledger, progress
        self._executor = executor or _processes(jobs)
        self._running: dict[Future[list[Result]], tuple[Job, int]] = {}
        self.under_way: set[tuple[str, str]] = set()
        self.counts: Counter[str] = Counter()
        self.known = 0

    def submit(self, job: Job) -> None:
        """Hands a job out once there is room for it."""
        while len(self._running) >= IN_FLIGHT * self._jobs:
            self._collect()
        self.under_way |= {(job.digest, target) for target in job.targets}
        self._start(job, 1)

    def finish(self) -> None:
        while self._running:
            self._collect()

    def close(self) -> None:
        """Drops what has not begun; a process pool of our own ends."""
        for future in self._running:
            future.cancel()
        if self._given is None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def _start(self, job: Job, attempt: int) -> None:
        try:
            future = self._executor.submit(run, job)
        except BrokenExecutor:
            self._renew()
            future = self._executor.submit(run, job)
        self._running[future] = job, attempt

    def _renew(self) -> None:
        """A new pool of processes for one whose worker died."""
        if self._given is not None:
            raise SetupError("XP6008", "the executor has lost its workers")
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = _processes(self._jobs)

    def _collect(self) -> None:
        ready, _ = wait(self._running, return_when=FIRST_COMPLETED)
        for future in ready:
            job, attempt = self._running.pop(future)
            try:
                results = future.result()
            except Exception as error:
                # The worker itself died, or could not be reached: not what a kernel can do.
                if attempt < ATTEMPTS:
                    self._start(job, attempt + 1)
                    continue
                why = f"{type(error).__name__}: {error}"
                results = [
                    Result(job.digest, target, job.name, "crashed", message=why)
                    for target in job.targets
                ]
            self._keep(job, results)

    def _keep(self, job: Job, results: list[Result]) -> None:
        self._ledger.add(results)
        self.under_way -= {(job.digest, target) for target in job.targets}
        for result in results:
            self.counts[result.status] += 1
            if self._progress:
                self._progress(result)


def _processes(jobs: int) -> Processes:
    """Processes that start clean, without the threads of this one."""
    options: dict[str, Any] = {"mp_context": get_context("spawn"), "initializer": begin}
    return Processes(jobs, **options)
