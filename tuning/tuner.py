"""`tune`: search, measure, remember."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from xpiler_tvm.errors import EmitError, ScheduleError
from xpiler_tvm.kernel import Kernel

from .records import Database, Record, digest_of

if TYPE_CHECKING:
    import tvm

    from xpiler_tvm.lifting import Lifted
    from xpiler_tvm.schedules.base import Scheduled
    from xpiler_tvm.trials import Arrays

    from .bench import Bench, Outcome
    from .model import CostModel
    from .oracle import Oracle
    from .search import Options, Search
    from .space import Candidate, Decisions

MakeBench: TypeAlias = "Callable[[tvm.IRModule, str, Oracle], Bench]"

BATCH = 8
"""Candidates that are proposed at a time: the model learns between batches."""
FINALISTS = 3


@dataclass(frozen=True)
class Progress:
    """How far a search is. `best` and `rule` are seconds; `left` are those to the deadline."""

    trials: int
    of: int
    failures: int
    best: float | None
    rule: float | None
    left: float | None


@dataclass(frozen=True)
class Tuned:
    """What a search came to.

    Attributes
    ----------
    target : its name.
    rule : the schedule rule of the best candidate, `decisions` all that makes it.
    seconds : what the best takes, `rule_seconds` what the rules' own schedule takes beside it.
    kind : `measured` or `modelled`.
    trials : candidates that were tried, earlier runs included; `failures` those that were wrong,
        crashed or were refused.
    curve : the best so far after each trial; infinite until one is right.
    interrupted : whether it ended before its budget.
    """

    target: str
    rule: str
    decisions: Decisions
    seconds: float
    rule_seconds: float
    kind: str
    trials: int
    failures: int
    curve: tuple[float, ...]
    interrupted: bool = False

    @property
    def speedup(self) -> float:
        """How many times as fast as the rules' own schedule."""
        return self.rule_seconds / self.seconds

    def _repr_html_(self) -> str:
        from xpiler_tvm.display import tuned_page

        return tuned_page(self)

    def schedule(self, mod: tvm.IRModule) -> Scheduled:
        """The best candidate's schedule of the program that was tuned.

        Raises `ScheduleError` XP3001 where it does not fit: another program, or other rules.
        """
        from .space import Space

        candidate = Space(mod, self.target).at(self.decisions)
        if candidate is None:
            raise ScheduleError("XP3001", "what was tuned does not fit this program")
        return candidate.scheduled


def tune(
    kernel: Kernel | Lifted | tvm.IRModule,
    target: str,
    *,
    trials: int = 64,
    seconds: float | None = None,
    db: str | Path | Database | None = None,
    seed: int = 0,
    options: Options | None = None,
    model: CostModel | None = None,
    bench: MakeBench | None = None,
    inputs: Arrays | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Tuned:
    """Search for a schedule of a kernel that is faster than the rules' own; it is never slower.

    Parameters
    ----------
    kernel : what to tune; a bare raised program is held against its own unscheduled run.
    target : `vnni` is measured on this CPU if it has the instructions, others are modelled.
    trials : candidates to try, those on record included.
    seconds : on the clock, after which no new batch begins.
    db : a folder of records. What is known there is not tried again.
    seed : of all that is random.
    options : prior, decisions to start from; they have a seed of their own.
    model : a cost model to rank with; by default the one that comes with the package.
    bench : makes what measures, instead of this machine (`remote.on_servers`).
    inputs : arrays by name for a bare program; random ones by default, which are no indices.
    progress : called after each trial.

    An interrupt ends the search and keeps what was found. Raises what `lift` raises, and
    `ScheduleError` XP3001 where no rule applies or no candidate is right.
    """
    database = db if isinstance(db, Database) or db is None else Database(Path(db))
    digest = digest_of(kernel, target) if isinstance(kernel, Kernel) else ""
    if database is not None and digest and (known := _from_records(database, digest, trials)):
        return known
    from .search import Options

    search = options or Options(seed=seed)
    run = _Run.of(
        kernel,
        target,
        digest=digest,
        database=database,
        options=search,
        model=model,
        make_bench=bench,
        inputs=inputs,
    )
    run.recall()
    run.search(trials, seconds, progress or (lambda _: None))
    return run.finish()


def best_schedule(mod: tvm.IRModule, target: str, db: str | Path | Database) -> Scheduled | None:
    """The best schedule on record of a raised program for a target; `None` where there is none.

    The record's decisions are made again with the rules as they are now, and must lead to the
    program that was tried.
    """
    from .space import Space, key_of

    database = db if isinstance(db, Database) else Database(Path(db))
    record = database.best(workload=key_of(mod), target=target)
    if record is None:
        return None
    candidate = Space(mod, target).at(record.decisions)
    return candidate.scheduled if candidate and candidate.key == record.program else None


def _from_records(database: Database, digest: str, trials: int) -> Tuned | None:
    """The result of a search that has been made already, without loading TVM."""
    records = database.records(kernel=digest)
    tried = [record for record in records if not record.final]
    result = next((record for record in reversed(records) if record.final), None)
    if result is None or len(tried) < trials or result.seconds is None:
        return None
    rule = next((r.seconds for r in records if r.ok and r.why == RULES_OWN and r.final), None)
    curve = _curve([record.seconds for record in tried])
    failures = sum(not record.ok for record in tried)
    return Tuned(
        result.target,
        result.rule,
        dict(result.decisions),
        result.seconds,
        rule or result.seconds,
        result.kind,
        len(tried),
        failures,
        curve,
    )


RULES_OWN = "as the rules have it"


def _curve(seconds: Sequence[float | None]) -> tuple[float, ...]:
    curve: list[float] = []
    for each in seconds:
        best = curve[-1] if curve else float("inf")
        curve.append(best if each is None else min(best, each))
    return tuple(curve)


@dataclass(eq=False)
class _Run:
    """One search under way."""

    target: str
    mod: tvm.IRModule
    search_: Search
    bench: Bench
    database: Database | None
    digest: str
    workload: str
    label: str
    tried: list[Outcome]
    interrupted: bool = False

    @classmethod
    def of(
        cls,
        kernel: Kernel | Lifted | tvm.IRModule,
        target: str,
        *,
        digest: str,
        database: Database | None,
        options: Options,
        model: CostModel | None,
        make_bench: MakeBench | None,
        inputs: Arrays | None,
    ) -> _Run:
        from xpiler_tvm.lifting import Lifted, lift

        from .bench import bench_for
        from .model import CostModel
        from .oracle import Oracle
        from .search import Search
        from .space import Space, key_of

        lifted = lift(kernel) if isinstance(kernel, Kernel) else kernel
        if isinstance(lifted, Lifted):
            if lifted.kernel.size_names:
                raise EmitError(
                    "XP4001",
                    "sizes are symbolic, and candidates are tried at sizes",
                    hint="tune the kernel at sizes: lifted.kernel.at({...})",
                )
            mod, label = lifted.mod, f"{lifted.kernel.filename} {lifted.kernel.entry}"
        else:
            mod, label = lifted, "module"
        space = Space(mod, target)
        right = Oracle.of(lifted) if isinstance(lifted, Lifted) else Oracle.of_module(mod, inputs)
        bench = (make_bench or bench_for)(mod, target, right)
        search = Search(space, model or CostModel.shipped(target), options)
        return cls(target, mod, search, bench, database, digest, key_of(mod), label, [])

    def recall(self) -> None:
        """Learn what the records say of this program."""
        from .bench import Outcome

        if self.database is None:
            return
        for record in self.database.records(workload=self.workload, target=self.target):
            if record.kind != self.bench.kind or record.final:
                continue
            outcome = Outcome(record.seconds, self.bench.kind, record.why)
            if self.search_.recall(record.decisions, outcome) is not None:
                self.tried.append(outcome)

    def search(
        self, trials: int, seconds: float | None, progress: Callable[[Progress], None]
    ) -> None:
        """Try candidates until one of the budgets is used up."""
        deadline = time.monotonic() + seconds if seconds is not None else float("inf")
        try:
            while len(self.tried) < trials and time.monotonic() < deadline:
                batch = self.search_.propose(min(BATCH, trials - len(self.tried)))
                if not batch:
                    break  # the space is exhausted
                for candidate in batch:
                    if time.monotonic() >= deadline and self.search_.best:
                        break
                    self._try(candidate)
                    progress(self._progress(trials, deadline))
        except KeyboardInterrupt:
            if self.search_.best is None:
                raise
            self.interrupted = True

    def finish(self) -> Tuned:
        """Compare the best again, beside the rules' own; keep what is fastest then."""
        ranked = self.search_.ranked()
        if not ranked:
            why = "; ".join(dict.fromkeys(outcome.why for outcome in self.tried))
            raise ScheduleError("XP3001", f"no candidate is right ({why})")
        default = self.search_.space.default
        finalists = [candidate for candidate, _ in ranked[:FINALISTS]]
        rule_is_right = any(candidate.key == default.key for candidate, _ in ranked)
        if rule_is_right and all(one.key != default.key for one in finalists):
            finalists.append(default)
        times = self.bench.again([one.scheduled.mod for one in finalists])
        seconds, place = min(zip(times, range(len(times)), strict=True))
        best = finalists[place]
        own = [t for t, one in zip(times, finalists, strict=True) if one.key == default.key]
        rule_seconds = own[0] if own else seconds
        if own:
            self._note(default, rule_seconds, RULES_OWN, final=True)
        self._note(best, seconds, "", final=True)
        self._commit(best, seconds)
        return Tuned(
            self.target,
            best.scheduled.rule,
            best.decisions,
            seconds,
            rule_seconds,
            self.bench.kind,
            len(self.tried),
            sum(not outcome.ok for outcome in self.tried),
            _curve([outcome.seconds for outcome in self.tried]),
            self.interrupted,
        )

    # ------------------------------------------------------------ one trial

    def _try(self, candidate: Candidate) -> None:
        best = self.search_.best
        outcome = self.bench.outcome(candidate.scheduled.mod, best[1] if best else None)
        self.search_.observe(candidate, outcome)
        self.tried.append(outcome)
        self._note(candidate, outcome.seconds, outcome.why)

    def _note(
        self, candidate: Candidate, seconds: float | None, why: str, *, final: bool = False
    ) -> None:
        if self.database is not None:
            record = Record(
                self.digest,
                self.workload,
                self.target,
                candidate.decisions,
                candidate.key,
                seconds,
                self.bench.kind,
                candidate.scheduled.rule,
                why,
                self.label,
                final,
            )
            self.database.add(record)

    def _commit(self, candidate: Candidate, seconds: float) -> None:
        from xpiler_tvm import targets

        if self.database is not None:
            target = targets.get(self.target).target()
            self.database.commit(self.mod, candidate, seconds, target)

    def _progress(self, trials: int, deadline: float) -> Progress:
        best = self.search_.best
        own = self.search_.tried.get(self.search_.space.default.key)
        left = deadline - time.monotonic()
        return Progress(
            len(self.tried),
            trials,
            sum(not outcome.ok for outcome in self.tried),
            best[1] if best else None,
            own[1].seconds if own and own[1] else None,
            left if left != float("inf") else None,
        )
