"""`lift`: from a kernel's text to TensorIR, each form held against the source by execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from . import frontends
from .errors import CheckError, Span
from .evidence import Check
from .kernel import Kernel
from .stopwatch import Stopwatch, cpu_seconds

if TYPE_CHECKING:
    import numpy as np
    import tvm

Arrays = Mapping[str, "np.ndarray"]

RUN_SECONDS = 60.0  # CPU seconds that one run of one form may take


@dataclass(frozen=True, eq=False)
class Trial:
    """Inputs and what the source, run as written, made of them."""

    inputs: dict[str, np.ndarray]
    scalars: dict[str, int | float]
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
    with watch("run source"):
        trials, checks = _run_source(resolved, text, seed)
    with watch("raise"):
        from .frontends.program import to_module
        from .frontends.raising import opaque, raise_program

        flat = to_module(program)
        raised = raise_program(program)
        fallback = raised.mod if raised.rung == "opaque" else opaque(program)
    notes = [_note(raised.reason, raised.span)] if raised.reason else []
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
        program.assumptions,
        tuple(checks),
        trials,
        fallback,
        watch.seconds,
    )


def _note(reason: str, span: Span | None) -> str:
    return f"{span}: {reason}" if span else reason


def _run_source(kernel: Kernel, text: str, seed: int) -> tuple[tuple[Trial, ...], list[Check]]:
    """Runs the source as written, once for each choice of the symbolic scalars."""
    from .emulation import run_text
    from .verification import inputs_for, require_written

    trials: list[Trial] = []
    start = cpu_seconds()
    for number, scalars in enumerate(_symbolic_values(kernel)):
        inputs = inputs_for(kernel, seed + number)
        run = run_text(kernel, inputs, scalars, text=text, seconds=RUN_SECONDS)
        require_written(kernel, run.arrays)
        trials.append(Trial(inputs, scalars, run.arrays))
    launches = "once" if len(trials) == 1 else f"{len(trials)} times"
    detail = f"{kernel.dialect} emulated {launches}, seed {seed}: no fault"
    check = Check("source runs", "tested", detail, None, cpu_seconds() - start)
    return tuple(trials), [check]


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
        return {t.name: array for t, array in zip(kernel.tensors, result.arrays)}

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
