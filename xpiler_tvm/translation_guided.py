"""`transcompile` with another scheduler than the rules: a language model, or a search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CheckError, EmitError, ScheduleError
from .lifting import Lifted

if TYPE_CHECKING:
    import tvm

    from .llm import Client
    from .schedules.base import Scheduled
    from .schedules.chooser import Choice, Cost
    from .targets import TargetSpec
    from .translation import Attempt, Translation

TRIALS = 16
"""Candidates of a search that a translation makes by the way."""


def with_model(attempt: Callable[..., Translation], llm: Client | str) -> Attempt:
    """An attempt that schedules by a model's choice where that costs less than the rules'.

    A choice that turns out wrong when it is run, or has no text, is noted and dropped.
    """
    from .llm import connect

    client = connect(llm)

    def guided(
        spec: TargetSpec,
        lifted: Lifted,
        mod: tvm.IRModule,
        rung: str,
        notes: tuple[str, ...],
    ) -> Translation:
        from .schedules.chooser import choose

        try:
            choice = choose(mod, spec, client, CostOn(spec, lifted, mod))
        except ScheduleError as error:
            made = attempt(
                spec, lifted, mod, rung, (*notes, f"no model was asked: {error.message}")
            )
            return replace(made, guidance=_guidance(client, None))
        told = _told(choice, client)
        made = _attempted(
            attempt,
            (spec, lifted, mod, rung, notes),
            told,
            choice.scheduled if choice.rule else None,
        )
        return replace(made, guidance=_guidance(client, choice))

    return guided


def with_search(attempt: Callable[..., Translation], db: str | Path | None) -> Attempt:
    """An attempt that schedules by the best on record in the folder `db`, else by a search.

    A search is made of few candidates; `xpiler tune` and `tuning.tune` look further.
    """

    def tuned(
        spec: TargetSpec,
        lifted: Lifted,
        mod: tvm.IRModule,
        rung: str,
        notes: tuple[str, ...],
    ) -> Translation:
        from .tuning import best_schedule, tune

        best = best_schedule(mod, spec.name, db) if db is not None else None
        told = "scheduled by the best on record"
        if best is None:
            found = tune(mod, spec.name, trials=TRIALS, db=db)
            best = found.schedule(mod)
            told = (
                f"scheduled by a search of {found.trials} trials: {found.speedup:.2f} x the rules"
            )
        return attempt(spec, lifted, mod, rung, (*notes, told), given=best)

    return tuned


Way = tuple["TargetSpec", Lifted, "tvm.IRModule", str, tuple[str, ...]]
"""What an attempt takes: target, kernel, form, rung, notes."""


def _attempted(
    attempt: Callable[..., Translation], way: Way, told: str, given: Scheduled | None
) -> Translation:
    """A translation by a given schedule; by the rules where there is none, or it turns out wrong
    when what is emitted is run."""
    *start, notes = way
    if given is not None:
        try:
            return attempt(*start, (*notes, told), given=given)
        except (ScheduleError, EmitError, CheckError) as error:
            told = f"dropped: {told}: {error.code}: {error.message}"
    return attempt(*start, (*notes, told))


class CostOn:
    """What schedules of `mod` cost on a target: measured where it is this CPU, else modelled.

    A schedule that does not do what the source did has no cost. A `schedules.chooser.Bench`.
    """

    def __init__(self, spec: TargetSpec, lifted: Lifted, mod: tvm.IRModule) -> None:
        from .tuning.bench import bench_for
        from .tuning.oracle import Oracle

        self._bench = bench_for(mod, spec.name, Oracle.of(lifted))

    def cost(self, scheduled: Scheduled) -> Cost:
        from .schedules.chooser import Cost

        found = self._bench.outcome(scheduled.mod)
        return Cost(found.seconds, found.kind, found.why)

    def beside(self, first: Scheduled, second: Scheduled) -> tuple[Cost, Cost]:
        from .schedules.chooser import Cost

        one, other = self._bench.again([first.mod, second.mod])
        return Cost(one, self._bench.kind), Cost(other, self._bench.kind)


def _told(choice: Choice, client: Client) -> str:
    if choice.rule is None:
        return f"{client.model} proposed nothing that costs less than the rules' {choice.baseline}"
    return f"scheduled by {client.model}: {choice.cost}, by the rules {choice.baseline}"


def _guidance(client: Client, choice: Choice | None) -> dict[str, object]:
    """What the report says of the model, as plain data."""
    tried = choice.tried if choice else ()
    return {
        "model": client.model,
        "tried": [{"calls": one.calls, "outcome": one.outcome} for one in tried],
        "kept": choice is not None and choice.rule is not None,
        "usage": client.usage.as_dict(),
    }
