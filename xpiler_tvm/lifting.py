"""`lift`: from a kernel's text to TensorIR, each form held against the source by execution."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from . import frontends
from .conditions import Condition
from .conditions import require as require_conditions
from .errors import CheckError, LiftError, ReadError, Span
from .evidence import Check
from .kernel import Kernel
from .stopwatch import Stopwatch, cpu_seconds

if TYPE_CHECKING:
    import numpy as np
    import tvm

    from .frontends.program import Program
    from .frontends.raising import OutOfPlace, Step
    from .frontends.reading import Reading
    from .frontends.recognition import Operator
    from .lifting_guided import Guidance
    from .llm import Client
    from .recognised import Recognised
    from .verification import Family
    from .verification.proofs import Obligation
    from .verification.reference import Limits

Arrays = Mapping[str, "np.ndarray"]

Lifter = Literal["auto", "symbolic", "llm"]
LIFTERS: tuple[Lifter, ...] = ("auto", "symbolic", "llm")

NOT_UNDERSTOOD = ("XP1008", "XP1009", "XP1010", "XP1015", "XP2001", "XP2002", "XP2003")
"""Refusals that say something of our reading, not of the kernel: another wording may pass."""

RUN_SECONDS = 60.0  # CPU seconds that one run of one form may take
FAULT_SECONDS = 4.0  # and the run that looks for faults in the source
LARGE = 1 << 20  # elements of all tensors together


@dataclass(frozen=True, eq=False)
class Start:
    """What a run starts from: arrays by tensor, of which family, values of symbolic scalars."""

    inputs: dict[str, np.ndarray]
    scalars: dict[str, int | float]
    family: Family


@dataclass(frozen=True, eq=False)
class Trial:
    """A start, and what the source, run as written, made of it.

    `limits` says what is right; without them results are held against the source alone.
    """

    inputs: dict[str, np.ndarray]
    scalars: dict[str, int | float]
    outputs: dict[str, np.ndarray]
    limits: Limits | None = None


@dataclass(frozen=True, eq=False)
class Lifted:
    """A kernel as TensorIR.

    Attributes
    ----------
    kernel : with entry, parameters and launch filled in.
    program : what was read of it: statements with their places in the source.
    flat : sequential loops over flat buffers, the source statement by statement.
    mod : SBlocks over N-D buffers, what schedules work on.
    rung : `blocks`; `mixed` where some blocks hold statements that were not understood, so that
        their inside cannot be scheduled; `opaque` where one block holds the whole kernel.
    notes : why a better rung was not reached, with the place in the source.
    assumptions : what the lift rests on beside its evidence.
    evidence : one `Check` for each form that was run against the source.
    trials : the runs of the source that later forms are held against too.
    text : the source without its host code, as it is run.
    value_ranges : bounds of the elements of inputs that the kernel trusts as indices.
    obligations : what has to hold of indices and threads, and how each came out.
    seconds : CPU seconds by stage.
    conditions : which symbolic sizes it holds for; none of a kernel without.
    guidance : what a language model had to do with it, where one had.
    """

    kernel: Kernel
    program: Program
    flat: tvm.IRModule
    mod: tvm.IRModule
    rung: str
    notes: tuple[str, ...]
    assumptions: tuple[str, ...]
    evidence: tuple[Check, ...]
    trials: tuple[Trial, ...]
    opaque: tvm.IRModule
    text: str
    value_ranges: Mapping[str, tuple[int, int]]
    obligations: tuple[Obligation, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    guidance: Guidance | None = None

    def __repr__(self) -> str:
        return f"<{self.kernel.entry} of {self.kernel.filename}, lifted: {self.rung}>"

    def _repr_html_(self) -> str:
        from .display import lifted_page

        return lifted_page(self)

    @cached_property
    def recognised(self) -> Recognised:
        """What it computes in TVM's own operators, with their Relax function and its check."""
        from .recognised import Recognised

        return Recognised(self)

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The operators that it is made of, held against the source; empty where none were
        recognised."""
        return self.recognised.operators

    @cached_property
    def out_of_place(self) -> OutOfPlace:
        """`mod` with an output of its own for each parameter that the kernel updates: the form
        that all of TVM's primitives, and Relax's `call_tir`, take. An opaque block stays as it is.

        Raises `LiftError` XP2007 where sizes are symbolic, and `CheckError` XP5001 where it differs
        from the source.
        """
        from .frontends.raising import OutOfPlace, out_of_place

        if self.kernel.size_names:
            names = ", ".join(self.kernel.size_names)
            raise LiftError(
                "XP2007",
                f"the sizes {names} are symbolic, and the form is checked at one size",
                hint="lift the kernel at sizes: lifted.kernel.at({...})",
            )
        made = OutOfPlace(self.mod) if self.rung == "opaque" else out_of_place(self.mod)
        if made.updated:
            name = "raised, out of place = source"
            require(check_module(name, made.mod, self.kernel, self.trials, updated=made.updated))
        return made

    def require(self, **sizes: int) -> None:
        """Raises `LiftError` XP2007 where the lift does not hold for these sizes."""
        from .symbolic_runs import launch_values

        require_conditions(self.conditions, launch_values(self.kernel, sizes))

    def __call__(self, *arrays: np.ndarray, **scalars: int | float) -> None:
        """Runs `mod` on numpy arrays, one for each tensor in order; those written are filled.

        Sizes and other scalars without a value go by keyword. Raises `LiftError` XP2007 where a
        condition does not hold, and `CheckError` XP5007 where the arguments do not fit.
        """
        from .lifting_symbolic import run

        run(self, arrays, scalars)

    def steps(self) -> tuple[Step, ...]:
        """The forms between the flat program and the raised one, each after a pass that changed
        something. Their `mod` can be run like `flat`. Symbolic sizes are numbers in them."""
        from .frontends.raising import steps_of

        if not self.conditions:
            return steps_of(self.program)
        from .frontends.symbolic.instances import at_point
        from .frontends.symbolic.points import generic

        return steps_of(at_point(self.program, self.kernel, generic(self.kernel, 1)[0]))


def lift(
    kernel: Kernel,
    *,
    seed: int = 0,
    each_pass: bool = False,
    lifter: Lifter = "auto",
    llm: Client | str | None = None,
) -> Lifted:
    """The TensorIR of a kernel, tested against its source on data from `seed`.

    The flat program and the raised one are held against the source; with `each_pass` also what
    every pass between them made.

    `llm` is a language model, by name or as a client of `xpiler_tvm.llm`. In `auto` it proposes a
    program for what is not understood; with the lifter `llm` for every kernel, and with `symbolic`
    for none. Its proposals are held against the source like any other, on more inputs.

    Raises `ReadError` and `LiftError` where the kernel is not understood, `CheckError` where
    the source itself fails (a race, out of bounds, endless, an output never written) or where what
    was read differs from it, and with the lifter `llm` `ModelError` where no proposal holds.
    """
    if lifter not in LIFTERS:
        raise LiftError("XP2008", f"{lifter!r} is no lifter", hint=f"one of {', '.join(LIFTERS)}")
    if lifter == "symbolic" or (lifter == "auto" and llm is None):
        return _lift_symbolically(kernel, seed, each_pass)
    from .lifting_guided import lift_guided

    if lifter == "llm":
        return lift_guided(kernel, llm, seed=seed)
    try:
        return _lift_symbolically(kernel, seed, each_pass)
    except (ReadError, LiftError) as error:
        if error.code not in NOT_UNDERSTOOD:
            raise
        return lift_guided(kernel, llm, seed=seed, refusal=error)


def _lift_symbolically(kernel: Kernel, seed: int, each_pass: bool) -> Lifted:
    """What rules make of a kernel: `lift` without a language model."""
    if kernel.size_names:
        from .lifting_symbolic import lift_symbolic

        return lift_symbolic(kernel, seed=seed)
    watch = Stopwatch()
    with watch("read"):
        resolved = frontends.resolve(kernel)
        text = frontends.device_text(resolved)
    with watch("lift"):
        reading = frontends.read(resolved)
        resolved, program = reading.kernel, reading.program
    with watch("check bounds"):
        starts = starts_of(resolved, seed, reading.value_ranges)
        checks = [check_bounds(resolved, reading, starts)]
    with watch("run source"):
        outputs, check = run_source(resolved, text, starts)
        checks.append(check)
    with watch("check source"):
        check, doubts = check_faults(resolved, text, starts[0])
        checks.append(check)
    with watch("reference"):
        from .frontends.program import to_module

        flat = to_module(program)
        trials = _trials(resolved, flat, starts, outputs)
        checks.append(require(check_reference("source", trials, resolved)))
    with watch("raise"):
        from .frontends.raising import opaque_module, raise_program
        from .frontends.threads import NO_RACES

        raised = raise_program(program)
        fallback = raised.mod if raised.rung == "opaque" else opaque_module(program)
    notes = [_note(raised.reason, raised.span)] if raised.reason else []
    notes += doubts
    notes += _unwritten_notes(resolved, trials)
    with watch("prove"):
        from .verification.proofs import doubts_of, holds_throughout, obligations, refuted

        proved = obligations(reading, raised.mod, raised.rung)
        if faults := refuted(proved, raised=True):
            notes.append(f"the raised form was dropped: {faults[0]}")
            raised = replace(raised, mod=fallback, rung="opaque")
            proved = obligations(reading, fallback, "opaque")
        notes += doubts_of(proved)
    with watch("check lift"):
        checks.append(require(check_module("flat = source", flat, resolved, trials)))
        scalars = trials[0].scalars
        identity = identity_of_flat(resolved, [text], flat, scalars, seed, reading.value_ranges)
        checks += [require(identity)] if identity else []
        mod, rung = raised.mod, raised.rung
        check = check_module(f"raised ({rung}) = source", mod, resolved, trials)
        wrong = not check.ok and rung != "opaque"
        if each_pass or wrong:
            steps = _check_steps(program, resolved, trials)
            checks += [one for one in steps if one.ok]
            blamed = next((f" ({one.name})" for one in steps if not one.ok), "")
        if wrong:
            notes.append(f"the raised form was dropped: {check.detail}{blamed}")
            mod, rung = fallback, "opaque"
            proved = obligations(reading, fallback, rung)
            check = check_module(f"raised ({rung}) = source", mod, resolved, trials)
        checks.append(require(check))
    raceless = holds_throughout(proved, "race")
    return Lifted(
        resolved,
        program,
        flat,
        mod,
        rung,
        tuple(notes),
        (
            *(f"{s.name} is {s.value}" for s in resolved.scalars if s.value is not None),
            *(one for one in program.assumptions if one != NO_RACES or not raceless),
            *_trusted(reading.value_ranges),
            *(raised.assumptions if rung != "opaque" else ()),
        ),
        tuple(checks),
        trials,
        fallback,
        text,
        reading.value_ranges,
        proved,
        watch.seconds,
    )


def _check_steps(program: Program, kernel: Kernel, trials: Sequence[Trial]) -> list[Check]:
    """What each pass of raising made, against the source; the first that is wrong ends the list.

    Forms whose intermediates do not fit are passed over.
    """
    from .frontends.raising import MEMORY_LIMIT, steps_of

    checks: list[Check] = []
    for step in steps_of(program)[1:]:
        if step.bytes <= MEMORY_LIMIT:
            name = f"after pass {step.name!r} = source"
            checks.append(check_module(name, step.mod, kernel, trials))
            if not checks[-1].ok:
                break
    return checks


def _unwritten_notes(kernel: Kernel, trials: Sequence[Trial]) -> list[str]:
    """What the source leaves of its outputs as it was."""
    from .verification import unwritten_outputs

    counts = unwritten_outputs(kernel, trials[0].outputs)
    sizes = {tensor.name: tensor.size for tensor in kernel.tensors}
    return [
        f"{count} of the {sizes[name]} elements of {name!r} are never written"
        for name, count in counts.items()
        if count
    ]


def _note(reason: str, span: Span | None) -> str:
    return f"{span}: {reason}" if span else reason


def _trusted(value_ranges: Mapping[str, tuple[int, int]]) -> list[str]:
    return [
        f"elements of {name!r} lie between {least} and {most}"
        for name, (least, most) in sorted(value_ranges.items())
    ]


def starts_of(
    kernel: Kernel,
    seed: int,
    value_ranges: Mapping[str, tuple[int, int]],
    families: Sequence[Family] = (),
) -> list[Start]:
    """Starts of all `families`, by default those that suit the kernel, and one for each more choice
    of the symbolic scalars; trusted indices are valid ones."""
    from .verification import inputs_for

    choices = symbolic_values(kernel)
    starts = [
        Start(inputs_for(kernel, seed, family, value_ranges), choices[0], family)
        for family in families or families_of(kernel)
    ]
    for number, scalars in enumerate(choices[1:], 1):
        inputs = inputs_for(kernel, seed + number, "random", value_ranges)
        starts.append(Start(inputs, scalars, "random"))
    return starts


def families_of(kernel: Kernel) -> tuple[Family, ...]:
    """Integer programs get extremes too: of floating-point ones these are a matter of range.

    Large arrays of floats get random values alone, which tell their positions as well.
    """
    exact = all("float" not in param.dtype for param in kernel.params or ())
    if exact:
        return ("random", "indexed", "extreme")
    floats = all("float" in tensor.dtype for tensor in kernel.tensors)
    large = sum(tensor.size for tensor in kernel.tensors) > LARGE
    return ("random",) if floats and large else ("random", "indexed")


def run_source(
    kernel: Kernel, text: str, starts: Sequence[Start]
) -> tuple[list[dict[str, np.ndarray]], Check]:
    """Runs the source as written from each start: its outputs."""
    from .emulation import run_text
    from .verification import require_written

    outputs: list[dict[str, np.ndarray]] = []
    begun = cpu_seconds()
    for start in starts:
        run = run_text(kernel, start.inputs, start.scalars, text=text, seconds=RUN_SECONDS)
        require_written(kernel, run.arrays)
        outputs.append(run.arrays)
    families = " and ".join(dict.fromkeys(start.family for start in starts))
    times = "once" if len(starts) == 1 else f"{len(starts)} times"
    detail = f"{kernel.dialect} emulated {times}, {families} inputs: no fault"
    return outputs, Check("source runs", "tested", detail, None, cpu_seconds() - begun)


def check_faults(kernel: Kernel, text: str, start: Start) -> tuple[Check, list[str]]:
    """A checked run of the source, and what it finds that does no harm here.

    Raises `CheckError` XP5012 with the first fault: a program that races, or reads what nothing
    wrote, has no meaning that a translation could keep. Signed arithmetic that wraps is a note: all
    forms wrap alike.
    """
    from .emulation import run_text

    name, begun = "source has no faults", cpu_seconds()
    how: Any = {"text": text, "seconds": FAULT_SECONDS, "build": "checked"}
    run = run_text(kernel, start.inputs, start.scalars, **how)
    seconds = cpu_seconds() - begun
    if any(one.kind == "time" for one in run.findings):
        detail = f"a checked run takes more than {FAULT_SECONDS:g} s; see `xpiler check`"
        return Check(name, "unknown", detail, None, seconds), []
    for one in run.findings:
        if one.kind != "overflow":
            about = ", ".join(part for part in (one.who, one.memory) if part)
            raise CheckError(
                "XP5012",
                f"{one.kind}: {one.message}" + (f" ({about})" if about else ""),
                span=one.span,
                hint="mend the kernel; `xpiler check` tells more",
            )
    detail = "a checked run: no race, no access out of bounds, nothing read before it is written"
    notes = [_note(f"{one.kind}: {one.message}", one.span) for one in run.findings]
    return Check(name, "tested", detail, None, seconds), notes


def _trials(
    kernel: Kernel,
    flat: tvm.IRModule,
    starts: Sequence[Start],
    outputs: Sequence[dict[str, np.ndarray]],
) -> tuple[Trial, ...]:
    from .verification.reference import Reference

    limits = Reference.of(flat, kernel).limits([(one.inputs, one.scalars) for one in starts])
    return tuple(
        Trial(start.inputs, start.scalars, given, limit)
        for start, given, limit in zip(starts, outputs, limits, strict=True)
    )


def check_bounds(kernel: Kernel, reading: Reading, starts: Sequence[Start]) -> Check:
    """That every access lies in its array: proved where it can be, else watched in a run.

    Raises `LiftError` XP2006 with the first access that does not.
    """
    name, start = "accesses in bounds", cpu_seconds()
    if not reading.sites:
        detail = f"{reading.proved} accesses, for every thread"
        return Check(name, "proved", detail, None, cpu_seconds() - start)
    import numpy as np

    from .emulation import run_module_each
    from .frontends.program import to_module
    from .frontends.reading import watched

    program, sites = watched(kernel)
    calls = [
        (
            [*(one.inputs[tensor.name] for tensor in kernel.tensors), np.zeros(2, np.int64)],
            list(one.scalars.values()),
        )
        for one in starts
    ]
    for run in run_module_each(to_module(program), calls, seconds=RUN_SECONDS):
        number, index = (int(value) for value in run.arrays[-1])
        if number:
            site = sites[number - 1]
            raise LiftError(
                "XP2006",
                f"element {index} of {site.name!r}, which has {site.extent}",
                span=site.span,
            )
    detail = f"{reading.proved} proved, {len(sites)} watched in a run"
    return Check(name, "tested", detail, None, cpu_seconds() - start)


def symbolic_values(kernel: Kernel) -> list[dict[str, int | float]]:
    """Values to try for scalars that stay symbolic: the tensors' extent and something smaller."""
    free = [scalar for scalar in kernel.scalars if scalar.value is None]
    if not free:
        return [{}]
    extent = min((tensor.size for tensor in kernel.tensors), default=1)
    choices: list[dict[str, int | float]] = []
    for size, real in ((extent, 0.75), (max(1, extent - extent // 3), -1.25)):
        choices.append({s.name: real if "float" in s.dtype else size for s in free})
    return choices


def check_module(
    name: str,
    mod: tvm.IRModule,
    kernel: Kernel,
    trials: Sequence[Trial],
    target: Mapping[str, Any] | None = None,
    *,
    expose: bool = True,
    updated: Sequence[str] = (),
) -> Check:
    """Runs a module without thread bindings on each trial's inputs and compares.

    Local arrays are watched like its parameters; not so (`expose=False`) where a schedule may have
    given each round of a parallel loop its own. The results of tensors that are `updated` out of
    place are its last parameters.
    """
    from .emulation import run_module_each
    from .emulation.exposing import exposed

    begun = cpu_seconds()
    mod, local = exposed(mod) if expose else (mod, [])
    starts = [
        (
            [
                *(one.inputs[tensor.name] for tensor in kernel.tensors),
                *(one.inputs[name] for name in updated),
                *local,
            ],
            list(one.scalars.values()),
        )
        for one in trials
    ]
    try:
        runs = run_module_each(mod, starts, seconds=RUN_SECONDS, target=target)
    except CheckError as error:
        detail = f"{error.code}: {error.message}"
        return Check(name, "refuted", detail, None, cpu_seconds() - begun)
    names = [tensor.name for tensor in kernel.tensors]
    results = []
    for run in runs:
        arrays = dict(zip(names, run.arrays, strict=False))
        arrays.update(zip(updated, run.arrays[len(names) :], strict=False))
        results.append(arrays)
    check = check_outputs(name, results, kernel, trials)
    return replace(check, seconds=cpu_seconds() - begun)


def check_runs(name: str, run: Any, kernel: Kernel, trials: Sequence[Trial]) -> Check:
    """The worst comparison of `run(trial)` with what the source gave."""
    begun = cpu_seconds()
    try:
        results = [run(trial) for trial in trials]
    except CheckError as error:
        detail = f"{error.code}: {error.message}"
        return Check(name, "refuted", detail, None, cpu_seconds() - begun)
    check = check_outputs(name, results, kernel, trials)
    return replace(check, seconds=cpu_seconds() - begun)


def check_outputs(
    name: str, results: Sequence[Arrays], kernel: Kernel, trials: Sequence[Trial]
) -> Check:
    """The worst comparison of results, one for each trial, with what the source gave."""
    from .verification import compare, worst_of

    return worst_of(
        [
            compare(
                name,
                trial.outputs,
                result,
                kernel,
                inputs=trial.inputs,
                bounds=trial.limits.bounds if trial.limits else None,
            )
            for trial, result in zip(trials, results, strict=True)
        ]
    )


def check_reference(
    label: str,
    trials: Sequence[Trial],
    kernel: Kernel,
    results: Sequence[Arrays] | None = None,
) -> Check:
    """Whether the results of the trials, by default the source's, are those of the lifted program
    in double precision: programs that lose as much precision cannot confirm each other."""
    from .verification import worst_of

    name, begun = f"{label} = float64 reference", cpu_seconds()
    outputs = [trial.outputs for trial in trials] if results is None else results
    checks = [
        trial.limits.check(name, result, kernel)
        for trial, result in zip(trials, outputs, strict=True)
        if trial.limits and trial.limits.values
    ]
    if not checks:
        return Check(name, "unknown", "the program has no form in double precision")
    return replace(worst_of(checks), seconds=cpu_seconds() - begun)


def identity_of_flat(
    kernel: Kernel,
    texts: Sequence[str],
    flat: tvm.IRModule,
    scalars: Mapping[str, int | float],
    seed: int,
    ranges: Mapping[str, tuple[int, int]],
) -> Check | None:
    """Whether the flat program is the source's polynomial; `None` where it is none.

    The first of `texts` is the source, others are what the program was made from.
    """
    from .verification.domains import Undefined
    from .verification.identity import check_identity, exact_scalars, run_over_field

    begun, exact = cpu_seconds(), exact_scalars(kernel)
    try:
        run = run_over_field(flat["main"], exact, list(scalars.values()))
    except Undefined:
        return None
    runs = (over_field(exact, texts[0], scalars), run)
    name = "flat = source, identity over F_p"
    check = check_identity(name, exact, runs, texts, seed=seed, ranges=ranges)
    return replace(check, seconds=cpu_seconds() - begun) if check else None


def over_field(kernel: Kernel, text: str, scalars: Mapping[str, int | float]) -> Any:
    """A `verification.identity.Run` of a kernel's text.

    What the last texts gave is kept: a source is held against each target at the same points.
    """
    from .emulation import run_text

    def run(points: Sequence[Arrays], build: Any) -> list[Arrays]:
        key = repr((kernel, text, sorted(scalars.items()), build, _digest(points)))
        if key not in _OVER_FIELD:
            how: Any = {"text": text, "seconds": RUN_SECONDS, "build": build}
            _OVER_FIELD[key] = [run_text(kernel, one, scalars, **how).arrays for one in points]
            while len(_OVER_FIELD) > 4:
                del _OVER_FIELD[next(iter(_OVER_FIELD))]
        return _OVER_FIELD[key]

    return run


_OVER_FIELD: dict[str, list[Arrays]] = {}


def _digest(points: Sequence[Arrays]) -> str:
    found = hashlib.sha256()
    for point in points:
        for name in sorted(point):
            found.update(name.encode() + point[name].tobytes())
    return found.hexdigest()


def require(check: Check) -> Check:
    """The check, if it holds. Raises `CheckError` XP5001 with its counterexample."""
    if check.verdict == "refuted":
        raise CheckError(
            "XP5001",
            f"{check.name.replace(' = ', ' differs from ')}: {check.detail}",
            hint="nothing is emitted; this is a defect of the translation, please report the file",
        )
    return check
