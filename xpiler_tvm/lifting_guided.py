"""`lift` with the help of a language model: its proposals, held against the source as written.

The model sees a kernel that the frontend refuses, and proposes it in other words
(`frontends.guided`). A proposal becomes a program, is raised like any other, and each of its forms
is run against the *original* text on all families of inputs, from two seeds, and on inputs made of
the numbers that either text mentions. What agrees everywhere is `tested`, and the report says whose
proposal it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import frontends
from .errors import CheckError, LiftError, ModelError, ReadError, XpilerError
from .evidence import Check
from .frontends.guided import Candidate, Guided, Refuted, search
from .kernel import Kernel
from .lifting import Lifted
from .oracles import check_bounds, check_faults, check_module, check_reference, identity_of_flat
from .pairing import Subject, alone
from .stopwatch import Stopwatch
from .trials import (
    LARGE,
    Start,
    Trial,
    families_of,
    run_source,
    starts_of,
    symbolic_values,
    trusted,
)

if TYPE_CHECKING:
    from .frontends.program import Program
    from .frontends.reading import Reading
    from .llm import Client
    from .synthesis import Specification
    from .verification.proofs import Obligation

Ranges = Mapping[str, tuple[int, int]]

REPAIR_RUNS = 400
"""Runs of a wrong proposal with other numbers in it: a repair that takes more is asked for anew."""

PATIENCE = 10.0
"""CPU seconds that a proposal may take for all runs: many never end."""


@dataclass(frozen=True)
class Guidance:
    """What a language model had to do with a lift.

    Attributes
    ----------
    model : its name.
    form : `source` or `tvmscript`; `text` is the program that was accepted.
    repaired : whether the proposal was wrong, and numbers in it were changed by `synthesis`.
    rejected : why those before it were not.
    hints : annotations that a run confirmed.
    usage : calls, tokens, seconds, failures and cost, as plain data.
    """

    model: str
    form: str
    text: str
    repaired: bool
    rejected: tuple[str, ...]
    hints: tuple[str, ...]
    usage: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "form": self.form,
            "text": self.text,
            "repaired": self.repaired,
            "rejected": list(self.rejected),
            "hints": list(self.hints),
            "usage": dict(self.usage),
        }


def lift_guided(
    kernel: Kernel,
    llm: Client | str | None,
    *,
    seed: int = 0,
    refusal: ReadError | LiftError | None = None,
) -> Lifted:
    """The lift of what a model proposes for `kernel`.

    With a `refusal` of ours the model is the last resort: where it does not help, the refusal is
    raised. Else raises `ModelError`, and what the source's own faults raise.
    """
    from .llm import connect
    from .llm.annotation import annotate

    if llm is None:
        raise ModelError("XP7001", "no language model is named", hint="give llm=..., or --llm")
    if kernel.size_names:
        raise refusal or LiftError("XP2003", "a language model lifts kernels of fixed sizes only")
    watch = Stopwatch()
    client = connect(llm)
    try:
        subject = alone(kernel)
    except XpilerError as error:
        raise refusal or error from None
    judge = _Judge(subject, seed, watch)
    judge.require_sound()
    why = refusal.message if refusal else "nothing is refused; the plainest form is asked for"
    try:
        with watch("ask model"):
            tags = annotate(client, subject, judge.trials(subject.ranges)) if refusal else None
            hints = tags.confirmed if tags else ()
            found = search(client, subject.kernel, why, judge, hints=hints)
    except ModelError as error:
        if refusal is None:
            raise
        raise _with_hint(refusal, f"the language model did not help: {error.message}") from error
    return _guided(found, client, hints, watch)


def _with_hint(refusal: ReadError | LiftError, more: str) -> ReadError | LiftError:
    hint = "; ".join(part for part in (refusal.hint, more) if part)
    return type(refusal)(refusal.code, refusal.message, span=refusal.span, hint=hint)


def _guided(
    found: Guided[tuple[Lifted, str]], client: Client, hints: Sequence[str], watch: Stopwatch
) -> Lifted:
    form = {"source": "the kernel in other words", "tvmscript": "TVMScript"}[found.candidate.form]
    lifted, text = found.result
    repaired = text != found.candidate.text
    form += ", repaired" if repaired else ""
    guidance = Guidance(
        client.model,
        found.candidate.form,
        text,
        repaired,
        tuple(one.reason for one in found.attempts),
        tuple(hints),
        client.usage.as_dict(),
    )
    note = (
        f"lifted from a proposal of {client.model} ({form}), which agreed with the source in runs"
    )
    return replace(
        lifted, notes=(*lifted.notes, note), guidance=guidance, seconds=dict(watch.seconds)
    )


class _Judge:
    """Holds candidates against one source, which is run once."""

    def __init__(self, subject: Subject, seed: int, watch: Stopwatch) -> None:
        self.subject = subject
        self.kernel = subject.kernel
        self.seed = seed
        self.watch = watch
        self.found: list[Check] = []
        self._specification: Specification | None = None
        self._trials: dict[str, tuple[Trial, ...]] = {}

    def require_sound(self) -> None:
        """The source by itself. Raises `CheckError` where it has a fault."""
        trials = self.trials(self.subject.ranges)
        with self.watch("check source"):
            start = Start(trials[0].inputs, trials[0].scalars, "random")
            check, _ = check_faults(self.kernel, self.subject.text, start)
        self.found.append(check)

    def trials(self, ranges: Ranges) -> tuple[Trial, ...]:
        """The source, run from all families of inputs."""
        key = repr(sorted(ranges.items()))
        if key not in self._trials:
            with self.watch("run source"):
                starts = self._starts(ranges)
                outputs, check = run_source(self.kernel, self.subject.text, starts)
            if not self._trials:
                self.found.append(check)
            self._trials[key] = tuple(
                Trial(one.inputs, one.scalars, given)
                for one, given in zip(starts, outputs, strict=True)
            )
        return self._trials[key]

    def _starts(self, ranges: Ranges) -> list[Start]:
        from .verification import FAMILIES

        large = sum(tensor.size for tensor in self.kernel.tensors) > LARGE
        seeds = (self.seed,) if large else (self.seed, self.seed + 1)
        starts = [
            (seed, one) for seed in seeds for one in starts_of(self.kernel, seed, ranges, FAMILIES)
        ]
        # Lone extrema come to the same places from every seed.
        return [one for seed, one in starts if seed == self.seed or one.family != "lone"]

    def __call__(self, candidate: Candidate) -> tuple[Lifted, str]:
        """The lift of a candidate that does what the source does, and its text.

        One in the source's language that is wrong is repaired, if a few changes of numbers do; what
        comes of it is judged like any other. Raises `Refuted` with the counterexample, or what
        reading the candidate raises.
        """
        try:
            return self._judged(candidate), candidate.text
        except (Refuted, CheckError):
            repaired = self._repaired(candidate)
            if repaired is None:
                raise
        return self._judged(repaired), repaired.text

    def _repaired(self, candidate: Candidate) -> Candidate | None:
        """The candidate with other numbers in it that does what the source does, if any does."""
        from .synthesis import Specification, repair

        if candidate.form != "source":
            return None
        broken = replace(self.kernel, source=candidate.text, filename="the proposal")
        with self.watch("repair proposal"):
            try:
                known = self._specification or Specification(self.subject)
                self._specification = known
                done = repair(broken, self.kernel, runs=REPAIR_RUNS, specification=known)
            except XpilerError:
                return None
        return Candidate("source", done.kernel.source) if done.verdict == "repaired" else None

    def _judged(self, candidate: Candidate) -> Lifted:
        with self.watch("read proposal"):
            program, reading = self._read(candidate)
        ranges = {**(reading.value_ranges if reading else {}), **self.subject.ranges}
        checks, flat = self._check_flat(candidate, program, reading, ranges)
        return self._raised(program, flat, reading, ranges, checks)

    def _read(self, candidate: Candidate) -> tuple[Program, Reading | None]:
        if candidate.form == "tvmscript":
            from .frontends.scripts import read_script

            return read_script(candidate.text, self.kernel), None
        reading = self._read_source(candidate.text)
        return reading.program, reading

    def _read_source(self, text: str) -> Reading:
        """A proposal in the source's language, with the source's parameters and launch."""
        name = f"{Path(self.kernel.filename).stem} (proposed)"
        written = replace(self.kernel, source=text, filename=name)
        reading = frontends.read(frontends.resolve(written))
        if reading.kernel.params != self.kernel.params:
            raise Refuted("its parameters are not those of the kernel")
        trial = self.trials({**reading.value_ranges, **self.subject.ranges})[0]
        start = Start(trial.inputs, trial.scalars, "random")
        with self.watch("check proposal"):
            check_faults(reading.kernel, frontends.device_text(reading.kernel), start)
            check_bounds(reading.kernel, reading, [start])
        return reading

    def _check_flat(
        self, candidate: Candidate, program: Program, reading: Reading | None, ranges: Ranges
    ) -> tuple[list[Check], Any]:
        """The flat program against the source; raises `Refuted`."""
        from .frontends.program import to_module

        flat = to_module(program)
        trials = (*self.trials(ranges), *self._literal_trials(candidate, ranges))
        text, scalars = self.subject.text, trials[0].scalars
        with self.watch("check proposal"):
            check = check_module("flat = source", flat, self.kernel, trials, seconds=PATIENCE)
            checks = [_holds(check)]
            checks.append(
                _holds(check_reference("source", self._limited(flat, trials), self.kernel))
            )
            identity = identity_of_flat(
                self.kernel,
                [text, candidate.text],
                flat,
                scalars,
                seed=self.seed,
                ranges=ranges,
            )
        return [*checks, *([_holds(identity)] if identity else [])], flat

    def _literal_trials(self, candidate: Candidate, ranges: Ranges) -> tuple[Trial, ...]:
        """The source on the numbers that it or the candidate mentions."""
        from .verification.literals import literal_inputs

        texts = [self.subject.text, candidate.text]
        inputs = literal_inputs(self.kernel, texts, self.seed, ranges)
        starts = [Start(inputs, one, "random") for one in symbolic_values(self.kernel)]
        with self.watch("run source"):
            outputs, _ = run_source(self.kernel, self.subject.text, starts)
        return tuple(
            Trial(one.inputs, one.scalars, given)
            for one, given in zip(starts, outputs, strict=True)
        )

    def _limited(self, flat: Any, trials: Sequence[Trial]) -> list[Trial]:
        """The trials, with what the candidate gives for them in double precision."""
        from .verification.reference import Reference

        limits = Reference.of(flat, self.kernel).limits([(t.inputs, t.scalars) for t in trials])
        return [replace(one, limits=limit) for one, limit in zip(trials, limits, strict=True)]

    def _raised(
        self,
        program: Program,
        flat: Any,
        reading: Reading | None,
        ranges: Ranges,
        checks: list[Check],
    ) -> Lifted:
        from .frontends.raising import opaque_module, raise_program

        with self.watch("raise"):
            raised = raise_program(program)
            fallback = raised.mod if raised.rung == "opaque" else opaque_module(program)
        notes = [raised.reason] if raised.reason else []
        mod, rung, trials = raised.mod, raised.rung, self.trials(ranges)
        with self.watch("check lift"):
            check = check_module(f"raised ({rung}) = source", mod, self.kernel, trials)
            if not check.ok and rung != "opaque":
                notes.append(f"the raised form was dropped: {check.detail}")
                mod, rung = fallback, "opaque"
                check = check_module(f"raised ({rung}) = source", mod, self.kernel, trials)
        checks.append(_holds(check))
        proved: tuple[Obligation, ...] = ()
        if reading is not None:
            from .verification.proofs import doubts_of, obligations, refuted

            with self.watch("prove"):
                proved = obligations(reading, mod, rung)
            if faults := refuted(proved, raised=True):
                raise Refuted(f"an obligation does not hold: {faults[0]}")
            notes += doubts_of(proved)
        return Lifted(
            self.kernel,
            program,
            flat,
            mod,
            rung,
            tuple(notes),
            (
                *(f"{s.name} is {s.value}" for s in self.kernel.scalars if s.value is not None),
                *program.assumptions,
                *(raised.assumptions if rung != "opaque" else ()),
                *trusted(ranges),
                "the source agrees with the proposal beyond the inputs that were run",
            ),
            (*self.found, *checks),
            self._kept(trials),
            fallback,
            self.subject.text,
            ranges,
            proved,
        )

    def _kept(self, trials: Sequence[Trial]) -> tuple[Trial, ...]:
        """The runs that every later form is held against: one of each family that `lift` takes."""
        from .verification import FAMILIES, lone_seeds

        others = len(symbolic_values(self.kernel)) - 1 + len(lone_seeds(self.kernel))
        places = [FAMILIES.index(family) for family in families_of(self.kernel)]
        places += range(len(FAMILIES), len(FAMILIES) + others)
        return tuple(trials[place] for place in places)


def _holds(check: Check) -> Check:
    """The check; raises `Refuted` with its counterexample where it says no."""
    if check.verdict == "refuted":
        raise Refuted(f"{check.name}: {check.detail}")
    return check
