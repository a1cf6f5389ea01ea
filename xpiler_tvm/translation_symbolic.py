"""`transcompile` of a kernel that was lifted for all sizes, which what is emitted takes as well.

The schedule, the kernel and the expressions of its launch are made once; the launcher checks the
lift's conditions. All are run at the points at which the lift was, against the source at these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .errors import CheckError, EmitError
from .evidence import Check
from .frontends import device_text
from .kernel import Kernel, Scalar
from .lifting import Lifted
from .oracles import check_outputs, require
from .stopwatch import Stopwatch, cpu_seconds
from .symbolic_runs import RUN_SECONDS, named
from .trials import Arrays, Trial

if TYPE_CHECKING:
    import numpy as np
    import tvm

    from .targets import TargetSpec
    from .translation import Translation

SYMBOLIC_TARGETS = ("cuda", "hip")


def transcompile_symbolic(spec: TargetSpec, lifted: Lifted) -> Translation:
    """The translation for all sizes that meet the lift's conditions.

    Raises
    ------
    EmitError XP4001 : for the target sizes have to be numbers.
    ScheduleError, CheckError : as `transcompile`, at one of the points.
    """
    if spec.name not in SYMBOLIC_TARGETS:
        names = ", ".join(lifted.kernel.size_names)
        raise EmitError(
            "XP4001",
            f"the sizes {names} are symbolic, and what is emitted for {spec.name} has numbers",
            hint="translate the kernel at sizes: lifted.kernel.at({...})",
        )
    from .translation import best_form

    return best_form(spec, lifted, _attempt)


def _attempt(
    spec: TargetSpec, lifted: Lifted, mod: tvm.IRModule, rung: str, notes: tuple[str, ...]
) -> Translation:
    from . import schedules
    from .codegen.sizes import CONDITIONS_ATTRIBUTE, of_launcher
    from .emitted import for_any_cpu
    from .translation import Made, translation_of

    watch = Stopwatch()
    watch.seconds.update(lifted.seconds)
    with watch("schedule"):
        scheduled = schedules.apply(mod, spec.name)
    conditions = of_launcher([one.text for one in lifted.conditions])
    main = scheduled.mod["main"].with_attr(CONDITIONS_ATTRIBUTE, conditions)
    checked = type(scheduled.mod)({"main": main})
    with watch("emit"):
        emitted = spec.emit(checked, with_sizes(lifted.kernel))
    assert emitted.kernel is not None
    checks = list(lifted.evidence)
    with watch("check target"):
        name = f"scheduled for {spec.name} = source"
        checks.append(require(_check_scheduled(name, for_any_cpu(scheduled.mod), lifted)))
        name = f"emitted {spec.name} = source"
        checks.append(require(_check_emitted(name, emitted.kernel, lifted)))
    made = Made(spec, rung, scheduled, emitted)
    return translation_of(lifted, made, checks, notes, watch)


def with_sizes(kernel: Kernel) -> Kernel:
    """The kernel as it is emitted: sizes that are none of its parameters stand behind these."""
    free = kernel.free_standing()
    known = {param.name for param in free.params or ()}
    missing = tuple(Scalar(name) for name in kernel.size_names if name not in known)
    return free.with_params((*(free.params or ()), *missing))


def run_at(kernel: Kernel, arrays: Arrays, scalars: Mapping[str, int | float]) -> Arrays:
    """Runs an emitted kernel of symbolic sizes in the emulator."""
    from .emulation import run_text

    there = kernel.at({name: int(scalars[name]) for name in kernel.size_names})
    return run_text(there, arrays, scalars, text=device_text(kernel), seconds=RUN_SECONDS).arrays


def _check_scheduled(name: str, mod: tvm.IRModule, lifted: Lifted) -> Check:
    """The scheduled program on the CPU, compiled once, at every point."""
    from .emulation import run_module_each

    begun = cpu_seconds()
    starts = [(_arrays(trial, lifted), list(trial.scalars.values())) for trial in lifted.trials]
    try:
        runs = run_module_each(mod, starts, seconds=RUN_SECONDS)
    except CheckError as error:
        return Check(name, "refuted", f"{error.code}: {error.message}")
    tensors = lifted.kernel.tensors
    results = [
        {tensor.name: array for tensor, array in zip(tensors, run.arrays, strict=False)}
        for run in runs
    ]
    return _compared(name, results, lifted, begun)


def _check_emitted(name: str, kernel: Kernel, lifted: Lifted) -> Check:
    begun = cpu_seconds()
    results: list[Arrays] = []
    for trial in lifted.trials:
        try:
            results.append(run_at(kernel, trial.inputs, trial.scalars))
        except CheckError as error:
            detail = f"where {_place(trial, lifted)}: {error.code}: {error.message}"
            return Check(name, "refuted", detail)
    return _compared(name, results, lifted, begun)


def _compared(name: str, results: Sequence[Arrays], lifted: Lifted, begun: float) -> Check:
    checks = []
    for trial, result in zip(lifted.trials, results, strict=True):
        there = lifted.kernel.at(_sizes(trial, lifted))
        check = check_outputs(name, [result], there, [trial])
        if not check.ok:
            check = replace(check, detail=f"where {_place(trial, lifted)}: {check.detail}")
        checks.append(check)
    from .verification import worst_of

    worst = worst_of(checks)
    points = "; ".join(_place(trial, lifted) for trial in lifted.trials)
    detail = f"at {points}; worst: {worst.detail}" if worst.ok else worst.detail
    return replace(worst, detail=detail, seconds=cpu_seconds() - begun)


def _sizes(trial: Trial, lifted: Lifted) -> dict[str, int]:
    return {name: int(trial.scalars[name]) for name in lifted.kernel.size_names}


def _place(trial: Trial, lifted: Lifted) -> str:
    return named(_sizes(trial, lifted))


def _arrays(trial: Trial, lifted: Lifted) -> list[np.ndarray]:
    return [trial.inputs[tensor.name] for tensor in lifted.kernel.tensors]
