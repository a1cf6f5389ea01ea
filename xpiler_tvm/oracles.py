"""Forms of a kernel held against its source: by execution, over a field, in double precision.

Each gives one `Check`; `require` turns one that does not hold into an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import CheckError, LiftError, located
from .evidence import Check
from .kernel import Kernel
from .stopwatch import cpu_seconds
from .trials import RUN_SECONDS, Arrays, Start, Trial

if TYPE_CHECKING:
    import tvm

    from .emulation import Run
    from .frontends.reading import Reading

FAULT_SECONDS = 4.0  # CPU seconds of the run that looks for faults in the source
_UNWRITTEN = "uninitialised read"
# As numbers: not one, and the largest; as integers -1, and a large one. The first run has zeroes.
_FILLERS = (0xFF, 0x7F)


def check_faults(kernel: Kernel, text: str, start: Start) -> tuple[Check, list[str]]:
    """A checked run of the source, and what it finds that does no harm here.

    Raises `CheckError` XP5012 with the first fault: a program that races, or reads what nothing
    wrote, has no meaning that a translation could keep. Signed arithmetic that wraps is a note: all
    forms wrap alike. So is a read of a block's unwritten memory that nothing comes of.
    """
    from .emulation import run_text

    name, begun = "source has no faults", cpu_seconds()
    how: Any = {"text": text, "seconds": FAULT_SECONDS, "build": "checked"}
    run = run_text(kernel, start.inputs, start.scalars, **how)
    seconds = cpu_seconds() - begun
    if any(one.kind == "time" for one in run.findings):
        detail = f"a checked run takes more than {FAULT_SECONDS:g} s; see `xpiler check`"
        return Check(name, "unknown", detail, None, seconds), []
    harmless = ["overflow"]
    again = partial(run_text, kernel, start.inputs, start.scalars, **how)
    if _read_for_nothing(kernel, run, again):
        harmless.append(_UNWRITTEN)
    for one in run.findings:
        if one.kind not in harmless:
            about = ", ".join(part for part in (one.who, one.memory) if part)
            raise CheckError(
                "XP5012",
                f"{one.kind}: {one.message}" + (f" ({about})" if about else ""),
                span=one.span,
                hint="mend the kernel; `xpiler check` tells more",
            )
    detail = "a checked run: no race, no access out of bounds, nothing read before it is written"
    if any(one.kind == _UNWRITTEN for one in run.findings):
        detail += " but what changes no result"
    notes = [located(f"{one.kind}: {one.message}", one.span) for one in run.findings]
    return Check(name, "tested", detail, None, seconds), notes


def _read_for_nothing(kernel: Kernel, run: Run, again: Callable[..., Run]) -> bool:
    """Whether what a run reads of unwritten memory does not matter, whatever it is."""
    others = [one for one in run.findings if one.kind != "overflow"]
    if not others or not all(one.kind == _UNWRITTEN and one.filled for one in others):
        return False
    written = [tensor.name for tensor in kernel.tensors if tensor.written]
    runs = [again(filler=filler) for filler in _FILLERS]
    return all(
        other.complete and other.arrays[name].tobytes() == run.arrays[name].tobytes()
        for other in runs
        for name in written
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


def check_module(
    name: str,
    mod: tvm.IRModule,
    kernel: Kernel,
    trials: Sequence[Trial],
    target: Mapping[str, Any] | None = None,
    *,
    expose: bool = True,
    updated: Sequence[str] = (),
    seconds: float = RUN_SECONDS,
) -> Check:
    """Runs a module without thread bindings on each trial's inputs and compares.

    Local arrays are watched like its parameters; not so (`expose=False`) where a schedule may have
    given each round of a parallel loop its own. The results of tensors that are `updated` out of
    place are its last parameters. `seconds` are of CPU time, for all runs together.
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
        runs = run_module_each(mod, starts, seconds=seconds, target=target)
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
    *,
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
