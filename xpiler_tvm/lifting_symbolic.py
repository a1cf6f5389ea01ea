"""`lift` of kernels with symbolic sizes: one lift, and the conditions under which it holds.

The flat program is read once for all sizes. The raised one is generalised from what raising makes
at several points; both are then run at others, the nasty ones, against the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import frontends
from .conditions import Condition
from .errors import CheckError, ReadError, XpilerError
from .evidence import Check
from .extents import value_of
from .kernel import Kernel, Scalar
from .stopwatch import Stopwatch, cpu_seconds

if TYPE_CHECKING:
    import numpy as np
    import tvm

    from .frontends.program import Program
    from .frontends.symbolic.raising import RaisedForAll
    from .frontends.symbolic.ranges import ReadForAll
    from .lifting import Lifted, Trial

Point = Mapping[str, int]

MOST_POINTS = 10  # at which forms are run
CHECKED_POINTS = 2  # of these, where the source runs with every access watched


@dataclass(frozen=True, eq=False)
class _Run:
    """A point, the kernel there, and what the source made of inputs."""

    point: Point
    kernel: Kernel
    trial: Trial


def lift_symbolic(kernel: Kernel, *, seed: int = 0) -> Lifted:
    """The TensorIR of a kernel with symbolic sizes, for all that meet `conditions`.

    Raises as `lift`, with the size at which a run fails.
    """
    from .frontends.program import to_module
    from .frontends.raising import opaque_module
    from .frontends.symbolic.raising import raise_for_all
    from .frontends.symbolic.ranges import read_for_all
    from .frontends.symbolic.resolving import resolve_sizes
    from .lifting import Lifted
    from .lifting import require as required
    from .verification.proofs import obligations, refuted

    watch = Stopwatch()
    with watch("read"):
        resolved = resolve_sizes(kernel)
        text = frontends.device_text(resolved)
    with watch("lift"):
        found = read_for_all(resolved)
    with watch("raise"):
        raised = raise_for_all(found.reading.program, found.kernel)
    with watch("run source"):
        conditions = _conditions(resolved, found, raised)
        runs, check = _run_source(found, text, conditions, seed)
        tails = _unwritten_tails(found, runs)
        if tails is not None:
            return lift_symbolic(tails, seed=seed)
    checks = [_check_bounds(found), check]
    with watch("check source"):
        checks.append(_check_faults(text, runs[:CHECKED_POINTS]))
    program, mod, rung = found.reading.program, raised.mod, raised.rung
    flat, fallback = to_module(program), opaque_module(program)
    notes = [f"{raised.span}: {raised.reason}" if raised.span else raised.reason]
    with watch("check lift"):
        checks.append(required(_check("flat = source", flat, runs, flat=True)))
        check = _check(f"raised ({rung}) = source", mod, runs)
        if not check.ok and rung == "blocks":
            notes.append(f"the raised form was dropped: {check.detail}")
            mod, rung, conditions = fallback, "opaque", _conditions(resolved, found, None)
            check = _check("raised (opaque) = source", mod, runs)
        checks.append(required(check))
        if rung == "blocks":
            checks.append(_check_form(raised))
    with watch("prove"):
        proved = obligations(found.reading, mod, rung)
        notes += [f"{one} (no run shows it)" for one in refuted(proved, raised=False)]
    return Lifted(
        replace(found.kernel, sizes=resolved.sizes),
        program,
        flat,
        mod,
        rung,
        tuple(note for note in notes if note),
        (*program.assumptions, *(raised.assumptions if rung == "blocks" else ())),
        tuple(checks),
        tuple(run.trial for run in runs),
        fallback,
        text,
        found.reading.value_ranges,
        proved,
        seconds=watch.seconds,
        conditions=tuple(conditions),
    )


def launch_values(kernel: Kernel, point: Point) -> dict[str, int]:
    """The sizes, and the launch at them by the names that CUDA has for it."""
    values = dict(point)
    launch = kernel.launch
    if launch is not None:
        for name, extents in (("blockDim", launch.block), ("gridDim", launch.grid)):
            padded = (*(value_of(extent, point) for extent in extents), 1, 1, 1)[:3]
            values |= {f"{name}.{axis}": n for axis, n in zip("xyz", padded, strict=True)}
    return values


def _conditions(kernel: Kernel, found: ReadForAll, raised: RaisedForAll | None) -> list[Condition]:
    from .frontends.symbolic.ranges import range_conditions

    conditions = [*range_conditions(kernel), *_launch_conditions(kernel), *found.conditions]
    for one in raised.conditions if raised is not None else ():
        if all(one.text != known.text for known in conditions):
            conditions.append(one)
    return conditions


def _launch_conditions(kernel: Kernel) -> list[Condition]:
    """The launch that was lifted: kernels see its extents."""
    if kernel.launch is None or kernel.dialect not in ("cuda", "hip"):
        return []
    return [
        Condition(f"{name}.{axis} == {extent}", "the kernel was lifted with this launch")
        for name, extents in (("blockDim", kernel.launch.block), ("gridDim", kernel.launch.grid))
        for axis, extent in zip("xyz", extents, strict=False)
    ]


# ---------------------------------------------------------------- runs of the source


def _run_source(
    found: ReadForAll, text: str, conditions: Sequence[Condition], seed: int
) -> tuple[list[_Run], Check]:
    """Runs the source at points that meet the conditions. Raises `CheckError` with the point."""
    begun, runs = cpu_seconds(), []
    for number, point in enumerate(_points(found, conditions)):
        try:
            runs.append(_run_at(found, text, point, seed + number))
        except XpilerError as error:
            error.message = f"{error.message} (where {_named(point)})"
            raise
    if not runs:
        raise ReadError(
            "XP1014",
            "no sizes in the ranges meet the conditions of the lift",
            hint="; ".join(map(str, conditions)),
        )
    detail = f"{found.kernel.dialect} emulated at {'; '.join(_named(run.point) for run in runs)}"
    return runs, Check("source runs", "tested", detail, None, cpu_seconds() - begun)


def _named(point: Point) -> str:
    return ", ".join(f"{name} is {value}" for name, value in point.items())


def _points(found: ReadForAll, conditions: Sequence[Condition]) -> list[dict[str, int]]:
    from .frontends.symbolic.points import nasty
    from .frontends.symbolic.ranges import steps_of

    met = []
    for point in nasty(found.kernel, steps_of(found)):
        try:
            if all(one.holds(launch_values(found.kernel, point)) for one in conditions):
                met.append(point)
        except ReadError:
            continue  # no launch at all
    return met[:MOST_POINTS]


def _run_at(found: ReadForAll, text: str, point: Point, seed: int) -> _Run:
    from .emulation import run_text
    from .frontends.program import to_module
    from .frontends.symbolic.instances import at_point
    from .lifting import RUN_SECONDS, Trial
    from .verification import inputs_for, require_written
    from .verification.reference import Reference

    kernel = found.kernel.at(point)
    family: Any = "indexed" if seed % 2 else "random"
    inputs = inputs_for(kernel, seed, family, found.reading.value_ranges)
    scalars = _scalars(found.reading.program, point)
    free = {one.name: scalars[one.name] for one in kernel.scalars if one.value is None}
    run = run_text(kernel, inputs, free, text=text, seconds=RUN_SECONDS)
    require_written(kernel, run.arrays)
    flat = to_module(at_point(found.reading.program, found.kernel, point))
    (limits,) = Reference.of(flat, kernel).limits([(inputs, scalars)])
    return _Run(point, kernel, Trial(inputs, scalars, run.arrays, limits))


def _scalars(program: Program, point: Point) -> dict[str, int | float]:
    """Values of the program's scalars in its order: the sizes, and something for the others."""
    values: dict[str, int | float] = {}
    for param, _ in program.params:
        if isinstance(param, Scalar):
            other = 0.75 if "float" in param.dtype else 1
            values[param.name] = point.get(param.name, other)
    return values


def _unwritten_tails(found: ReadForAll, runs: Sequence[_Run]) -> Kernel | None:
    """The kernel for multiples where elements stay unwritten at other sizes, and only there."""
    from .frontends.symbolic.ranges import divisors_of
    from .verification import unwritten_outputs

    left = [bool(unwritten_outputs(run.kernel, run.trial.outputs)) for run in runs]
    if not any(left):
        return None
    divisors = divisors_of(found)
    sizes = []
    for size in found.kernel.sizes:
        fitting = [
            divisor
            for divisor in sorted(divisors.get(size.name, ()))
            if all(
                run.point[size.name] % divisor
                for run, unwritten in zip(runs, left, strict=True)
                if unwritten
            )
            and not all(run.point[size.name] % divisor for run in runs)
            and divisor % size.multiple == 0
        ]
        sizes.append(replace(size, multiple=fitting[0]) if fitting else size)
        if fitting:
            break
    sizes += found.kernel.sizes[len(sizes) :]
    restricted = replace(found.kernel, sizes=tuple(sizes))
    return restricted if restricted != found.kernel else None


# ---------------------------------------------------------------- checks


def _check_bounds(found: ReadForAll) -> Check:
    reading = found.reading
    if not reading.sites:
        detail = f"{reading.proved} accesses, for every thread and all sizes"
        return Check("accesses in bounds", "proved", detail)
    site = reading.sites[0]
    detail = (
        f"{reading.proved} proved for all sizes, {len(reading.sites)} seen in runs alone, "
        f"as of {site.name!r} in {site.span}"
    )
    return Check("accesses in bounds", "tested", detail)


def _check_faults(text: str, runs: Sequence[_Run]) -> Check:
    """Checked runs of the source. Raises `CheckError` XP5012 with the first fault."""
    from .lifting import Start, check_faults

    begun, checks = cpu_seconds(), []
    for run in runs:
        free = {
            one.name: run.trial.scalars[one.name] for one in run.kernel.scalars if one.value is None
        }
        check, _ = check_faults(run.kernel, text, Start(run.trial.inputs, free, "random"))
        checks.append(check)
    verdict: Any = "tested" if all(check.ok for check in checks) else "unknown"
    detail = f"{checks[0].detail}; at {'; '.join(_named(run.point) for run in runs)}"
    return Check("source has no faults", verdict, detail, None, cpu_seconds() - begun)


def _check(name: str, mod: tvm.IRModule, runs: Sequence[_Run], *, flat: bool = False) -> Check:
    """The worst comparison of a module over the sizes with the source, compiled once."""
    from .emulation import run_module_each
    from .emulation.exposing import exposed
    from .lifting import RUN_SECONDS, check_outputs
    from .verification import worst_of

    begun = cpu_seconds()
    mod, local = exposed(mod) if flat else (mod, [])
    starts = [([*_arrays(run), *local], list(run.trial.scalars.values())) for run in runs]
    try:
        results = run_module_each(mod, starts, seconds=RUN_SECONDS)
    except CheckError as error:
        return Check(name, "refuted", f"{error.code}: {error.message}")
    checks = []
    for run, result in zip(runs, results, strict=True):
        arrays = zip(run.kernel.tensors, result.arrays, strict=False)
        outputs = {tensor.name: array for tensor, array in arrays}
        check = check_outputs(name, [outputs], run.kernel, [run.trial])
        if not check.ok:
            check = replace(check, detail=f"where {_named(run.point)}: {check.detail}")
        checks.append(check)
    worst = worst_of(checks)
    detail = worst.detail if not worst.ok else f"{len(runs)} points; worst: {worst.detail}"
    return replace(worst, detail=detail, seconds=cpu_seconds() - begun)


def _arrays(run: _Run) -> list[np.ndarray]:
    return [run.trial.inputs[tensor.name] for tensor in run.kernel.tensors]


def _check_form(raised: RaisedForAll) -> Check:
    points = "; ".join(map(_named, raised.points))
    later = "; ".join(map(_named, raised.confirmed))
    detail = f"generalised from {points}; raised again at {later}: the same"
    return Check("raised form for all sizes", "tested", detail)
