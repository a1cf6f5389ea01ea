"""`lift`: from a kernel's text to TensorIR, each form held against the source by execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from . import frontends
from .errors import CheckError, LiftError, Span
from .evidence import Check
from .kernel import Kernel
from .stopwatch import Stopwatch, cpu_seconds

if TYPE_CHECKING:
    import numpy as np
    import tvm

    from .frontends.reading import Reading

Arrays = Mapping[str, "np.ndarray"]

RUN_SECONDS = 60.0  # CPU seconds that one run of one form may take


@dataclass(frozen=True, eq=False)
class Start:
    """What a run starts from: arrays by tensor, and values of the symbolic scalars."""

    inputs: dict[str, np.ndarray]
    scalars: dict[str, int | float]


@dataclass(frozen=True, eq=False)
class Trial(Start):
    """A start, and what the source, run as written, made of it."""

    outputs: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Lifted:
    """A kernel as TensorIR.

    Attributes
    ----------
    kernel : with entry, parameters and launch filled in.
    flat : sequential loops over flat buffers, the source statement by statement.
    mod : SBlocks over N-D buffers, what schedules work on.
    rung : `blocks`, or `opaque` where the kernel is one block whose inside cannot be scheduled.
    notes : why a better rung was not reached, with the place in the source.
    assumptions : what the lift rests on beside its evidence.
    evidence : one `Check` for each form that was run against the source.
    trials : the runs of the source that later forms are held against too.
    seconds : CPU seconds by stage.
    """

    kernel: Kernel
    flat: tvm.IRModule
    mod: tvm.IRModule
    rung: str
    notes: tuple[str, ...]
    assumptions: tuple[str, ...]
    evidence: tuple[Check, ...]
    trials: tuple[Trial, ...]
    opaque: tvm.IRModule
    seconds: dict[str, float] = field(default_factory=dict)


def lift(kernel: Kernel, *, seed: int = 0) -> Lifted:
    """The TensorIR of a kernel, tested against its source on data from `seed`.

    Raises `ReadError` and `LiftError` where the kernel is not understood, and `CheckError` where
    the source itself fails (out of bounds, endless, an output never written) or where what was
    read differs from it.
    """
    watch = Stopwatch()
    with watch("read"):
        resolved = frontends.resolve(kernel)
        text = frontends.device_text(resolved)
    with watch("lift"):
        reading = frontends.read(resolved)
        resolved, program = reading.kernel, reading.program
    with watch("check bounds"):
        starts = _starts(resolved, seed, reading.value_ranges)
        checks = [_check_bounds(resolved, reading, starts)]
    with watch("run source"):
        trials, check = _run_source(resolved, text, starts, seed)
        checks.append(check)
    with watch("raise"):
        from .frontends.program import to_module
        from .frontends.raising import opaque, raise_program

        flat = to_module(program)
        raised = raise_program(program)
        fallback = raised.mod if raised.rung == "opaque" else opaque(program)
    notes = [_note(raised.reason, raised.span)] if raised.reason else []
    notes += _unwritten_notes(resolved, trials)
    with watch("check lift"):
        checks.append(require(check_module("flat = source", flat, resolved, trials)))
        mod, rung = raised.mod, raised.rung
        check = check_module(f"raised ({rung}) = source", mod, resolved, trials)
        if not check.ok and rung == "blocks":
            notes.append(f"the raised form was dropped: {check.detail}")
            mod, rung = fallback, "opaque"
            check = check_module(f"raised ({rung}) = source", mod, resolved, trials)
        checks.append(require(check))
    return Lifted(
        resolved,
        flat,
        mod,
        rung,
        tuple(notes),
        (
            *(f"{s.name} is {s.value}" for s in resolved.scalars if s.value is not None),
            *program.assumptions,
            *_trusted(reading.value_ranges),
            *(raised.assumptions if rung == "blocks" else ()),
        ),
        tuple(checks),
        trials,
        fallback,
        watch.seconds,
    )


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


def _starts(kernel: Kernel, seed: int, value_ranges: Mapping[str, tuple[int, int]]) -> list[Start]:
    """A start for each choice of the symbolic scalars; trusted indices are valid ones."""
    import numpy as np

    from .verification import inputs_for

    starts = []
    for number, scalars in enumerate(_symbolic_values(kernel)):
        inputs = inputs_for(kernel, seed + number)
        for name, (least, most) in sorted(value_ranges.items()):
            rng = np.random.default_rng([seed + number, *name.encode()])
            drawn = rng.integers(least, most, inputs[name].shape, endpoint=True)
            inputs[name] = drawn.astype(inputs[name].dtype)
        starts.append(Start(inputs, scalars))
    return starts


def _run_source(
    kernel: Kernel, text: str, starts: Sequence[Start], seed: int
) -> tuple[tuple[Trial, ...], Check]:
    """Runs the source as written from each start."""
    from .emulation import run_text
    from .verification import require_written

    trials: list[Trial] = []
    begun = cpu_seconds()
    for start in starts:
        run = run_text(kernel, start.inputs, start.scalars, text=text, seconds=RUN_SECONDS)
        require_written(kernel, run.arrays)
        trials.append(Trial(start.inputs, start.scalars, run.arrays))
    launches = "once" if len(trials) == 1 else f"{len(trials)} times"
    detail = f"{kernel.dialect} emulated {launches}, seed {seed}: no fault"
    return tuple(trials), Check("source runs", "tested", detail, None, cpu_seconds() - begun)


def _check_bounds(kernel: Kernel, reading: Reading, starts: Sequence[Start]) -> Check:
    """That every access lies in its array: proved where it can be, else watched in a run.

    Raises `LiftError` XP2006 with the first access that does not.
    """
    name, start = "accesses in bounds", cpu_seconds()
    if not reading.sites:
        detail = f"{reading.proved} accesses, for every thread"
        return Check(name, "proved", detail, None, cpu_seconds() - start)
    import numpy as np

    from .emulation import run_module
    from .frontends.program import to_module
    from .frontends.reading import watched

    program, sites = watched(kernel)
    for begin in starts:
        arrays = [begin.inputs[tensor.name] for tensor in kernel.tensors]
        fault = np.zeros(2, np.int64)
        scalars = list(begin.scalars.values())
        run = run_module(to_module(program), [*arrays, fault], scalars=scalars, seconds=RUN_SECONDS)
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


def _symbolic_values(kernel: Kernel) -> list[dict[str, int | float]]:
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
) -> Check:
    """Runs a module without thread bindings on each trial's inputs and compares."""
    from .emulation import run_module

    def run(trial: Trial) -> Arrays:
        arrays = [trial.inputs[tensor.name] for tensor in kernel.tensors]
        result = run_module(
            mod,
            arrays,
            scalars=list(trial.scalars.values()),
            seconds=RUN_SECONDS,
            target=target,
        )
        return {t.name: array for t, array in zip(kernel.tensors, result.arrays, strict=True)}

    return check_runs(name, run, kernel, trials)


def check_runs(name: str, run: Any, kernel: Kernel, trials: Sequence[Trial]) -> Check:
    """The worst comparison of `run(trial)` with what the source gave."""
    from .verification import compare

    start, worst = cpu_seconds(), None
    for trial in trials:
        try:
            check = compare(name, trial.outputs, run(trial), kernel)
        except CheckError as error:
            check = Check(name, "refuted", f"{error.code}: {error.message}")
        if worst is None or not check.ok or (worst.ok and (check.worst or 0) > (worst.worst or 0)):
            worst = check
        if not check.ok:
            break
    assert worst is not None
    return replace(worst, seconds=cpu_seconds() - start)


def require(check: Check) -> Check:
    """The check, if it holds. Raises `CheckError` XP5001 with its counterexample."""
    if check.verdict == "refuted":
        raise CheckError(
            "XP5001",
            f"{check.name.replace(' = ', ' differs from ')}: {check.detail}",
            hint="nothing is emitted; this is a defect of the translation, please report the file",
        )
    return check
