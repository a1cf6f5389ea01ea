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
    from .frontends.symbolic.restricting import ReadForAll
    from .lifting import Lifted, Trial

Point = Mapping[str, int]

RUN_SECONDS = 60.0  # CPU seconds that a run may take

MOST_POINTS = 10  # at which forms are run
CHECKED_POINTS = 2  # of these, where the source runs with every access watched
MOST_RESTRICTIONS = 4  # that runs of the source may lead to


@dataclass(frozen=True, eq=False)
class _Run:
    """A point, the kernel there, and what the source made of inputs."""

    point: Point
    kernel: Kernel
    trial: Trial


def lift_symbolic(kernel: Kernel, *, seed: int = 0, stated: tuple[Condition, ...] = ()) -> Lifted:
    """The TensorIR of a kernel with symbolic sizes, for all that meet `conditions`.

    Where the source fails at some sizes, or leaves elements unwritten, it is lifted again for
    those that a restriction sets apart from these; `stated` are the restrictions so far.

    Raises as `lift`, with the sizes at which a run fails.
    """
    from .frontends.program import to_module
    from .frontends.raising import opaque_module
    from .frontends.symbolic.raising import raise_for_all
    from .frontends.symbolic.resolving import resolve_sizes
    from .frontends.symbolic.restricting import read_for_all
    from .lifting import Lifted
    from .lifting import require as required
    from .verification.proofs import doubts_of, obligations

    watch = Stopwatch()
    with watch("read"):
        resolved = resolve_sizes(kernel)
        text = frontends.device_text(resolved)
    with watch("lift"):
        found = read_for_all(resolved)
    with watch("raise"):
        raised = raise_for_all(found.reading.program, found.kernel)
    with watch("run source"):
        conditions = _conditions(resolved, found, raised, stated)
        runs = _run_source(found, text, conditions, seed)
        restricted = _restricted(found, runs) if len(stated) < MOST_RESTRICTIONS else None
        if restricted is not None:
            narrower, condition = restricted
            return lift_symbolic(narrower, seed=seed, stated=(*stated, condition))
        checks = [_check_bounds(found), *_source_runs(found, runs)]
    program, mod, rung = found.reading.program, raised.mod, raised.rung
    flat, fallback = to_module(program), opaque_module(program)
    notes = [f"{raised.span}: {raised.reason}" if raised.span else raised.reason]
    with watch("check lift"):
        checks.append(required(_check("flat = source", flat, runs.good, flat=True)))
        check = _check(f"raised ({rung}) = source", mod, runs.good)
        if not check.ok and rung == "blocks":
            notes.append(f"the raised form was dropped: {check.detail}")
            mod, rung, conditions = fallback, "opaque", _conditions(resolved, found, None, stated)
            check = _check("raised (opaque) = source", mod, runs.good)
        checks.append(required(check))
        if rung == "blocks":
            checks.append(_check_form(raised))
    with watch("prove"):
        proved = obligations(found.reading, mod, rung)
        notes += doubts_of(proved)
    return Lifted(
        replace(found.kernel, sizes=resolved.sizes),
        program,
        flat,
        mod,
        rung,
        tuple(note for note in notes if note),
        (*program.assumptions, *(raised.assumptions if rung == "blocks" else ())),
        tuple(checks),
        tuple(run.trial for run in runs.good),
        fallback,
        text,
        found.reading.value_ranges,
        proved,
        seconds=watch.seconds,
        conditions=tuple(conditions),
    )


def run(lifted: Lifted, arrays: Sequence[np.ndarray], scalars: Mapping[str, int | float]) -> None:
    """`lifted(*arrays, **scalars)`."""
    from .emulation import run_module

    named = dict(scalars)
    if lifted.conditions:
        names = lifted.kernel.size_names
        lifted.require(**{name: int(named[name]) for name in names if name in named})
    order = [param.name for param, _ in lifted.program.params if isinstance(param, Scalar)]
    if set(order) != set(named):
        raise CheckError(
            "XP5007",
            f"the scalars {sorted(named)} are given, and it takes {sorted(order)}",
            hint="sizes and scalars without a value go by keyword",
        )
    values = [named[name] for name in order]
    results = run_module(lifted.mod, arrays, scalars=values, seconds=RUN_SECONDS).arrays
    for tensor, array, result in zip(lifted.kernel.tensors, arrays, results, strict=True):
        if tensor.written:
            array[...] = result.reshape(array.shape)


def launch_values(kernel: Kernel, point: Point) -> dict[str, int]:
    """The sizes, and the launch at them by the names that CUDA has for it."""
    values = dict(point)
    launch = kernel.launch
    if launch is not None:
        for name, extents in (("blockDim", launch.block), ("gridDim", launch.grid)):
            padded = (*(value_of(extent, point) for extent in extents), 1, 1, 1)[:3]
            values |= {f"{name}.{axis}": n for axis, n in zip("xyz", padded, strict=True)}
    return values


def _conditions(
    kernel: Kernel,
    found: ReadForAll,
    raised: RaisedForAll | None,
    stated: Sequence[Condition],
) -> list[Condition]:
    """All conditions, those that say why before those of ranges, each once."""
    from .frontends.symbolic.ranges import range_conditions

    told = [*stated, *found.conditions, *(raised.conditions if raised is not None else ())]
    every = [*told, *range_conditions(kernel), *_launch_conditions(kernel)]
    return list({one.text: one for one in reversed(every)}.values())[::-1]


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


@dataclass(frozen=True, eq=False)
class _Runs:
    """Runs of the source at points that meet the conditions.

    `failed` are points at which it fails, with the error, and `unwritten` those at which it leaves
    elements of its outputs as they were.
    """

    good: list[_Run]
    failed: list[tuple[Point, XpilerError]]
    unwritten: list[Point]
    seconds: float


def _run_source(found: ReadForAll, text: str, conditions: Sequence[Condition], seed: int) -> _Runs:
    from .verification import unwritten_outputs

    begun = cpu_seconds()
    runs = _Runs([], [], [], 0.0)
    for number, point in enumerate(_points(found, conditions)):
        try:
            run = _run_at(found, text, point, seed + number)
            if number < CHECKED_POINTS:
                _check_at(run, text)
        except XpilerError as error:
            runs.failed.append((point, error))
            continue
        if _tells_nothing(run):
            continue
        runs.good.append(run)
        if unwritten_outputs(run.kernel, run.trial.outputs):
            runs.unwritten.append(point)
    return replace(runs, seconds=cpu_seconds() - begun)


def _tells_nothing(run: _Run) -> bool:
    """Whether all that the source made of the inputs is no number, as it may be of a few."""
    import numpy as np

    floats = [array for array in run.trial.outputs.values() if array.dtype.kind == "f"]
    return any(bool(np.isnan(array).all()) for array in floats)


def _named(point: Point) -> str:
    return ", ".join(f"{name} is {value}" for name, value in point.items())


def _points(found: ReadForAll, conditions: Sequence[Condition]) -> list[dict[str, int]]:
    from .frontends.symbolic.points import nasty
    from .frontends.symbolic.restricting import steps_of

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
    from .lifting import Start, Trial, check_bounds
    from .verification import inputs_for
    from .verification.reference import Reference

    kernel, ranges = found.kernel.at(point), found.reading.value_ranges
    family: Any = "indexed" if seed % 2 else "random"
    scalars = _scalars(found.reading.program, point)
    free = {one.name: scalars[one.name] for one in kernel.scalars if one.value is None}
    if found.reading.sites:  # indices from memory, or what only a run can tell
        reading = frontends.read(kernel)
        ranges = reading.value_ranges
        start = Start(inputs_for(kernel, seed, family, ranges), free, family)
        check_bounds(kernel, reading, [start])
    inputs = inputs_for(kernel, seed, family, ranges)
    run = run_text(kernel, inputs, free, text=text, seconds=RUN_SECONDS)
    flat = to_module(at_point(found.reading.program, found.kernel, point))
    (limits,) = Reference.of(flat, kernel).limits([(inputs, scalars)])
    return _Run(point, kernel, Trial(inputs, scalars, run.arrays, limits))


def _check_at(run: _Run, text: str) -> None:
    """A checked run of the source. Raises `CheckError` XP5012 with the first fault."""
    from .lifting import Start, check_faults

    scalars = run.trial.scalars
    free = {one.name: scalars[one.name] for one in run.kernel.scalars if one.value is None}
    check_faults(run.kernel, text, Start(run.trial.inputs, free, "random"))


def _scalars(program: Program, point: Point) -> dict[str, int | float]:
    """Values of the program's scalars in its order: the sizes, and something for the others."""
    values: dict[str, int | float] = {}
    for param, _ in program.params:
        if isinstance(param, Scalar):
            other = 0.75 if "float" in param.dtype else 1
            values[param.name] = point.get(param.name, other)
    return values


def _source_runs(found: ReadForAll, runs: _Runs) -> list[Check]:
    """The evidence of the runs, where all of them were good. Raises the first error else."""
    for point, error in runs.failed:
        error.message = f"{error.message} (where {_named(point)})"
        raise error
    if not runs.good:
        raise ReadError("XP1014", "no sizes in the ranges meet the conditions of the lift")
    points = [_named(run.point) for run in runs.good]
    detail = f"{found.kernel.dialect} emulated at {'; '.join(points)}"
    watched = "no race, no access out of bounds, nothing read before it is written"
    where = "; ".join(points[:CHECKED_POINTS])
    return [
        Check("source runs", "tested", detail, None, runs.seconds),
        Check("source has no faults", "tested", f"checked runs, {watched}: at {where}"),
    ]


# ---------------------------------------------------------------- restrictions from runs


def _restricted(found: ReadForAll, runs: _Runs) -> tuple[Kernel, Condition] | None:
    """The kernel for multiples, or for larger or smaller sizes, where it fails at all others tried.

    Of the restrictions that keep the bad points out, the one that keeps most of the good ones in.
    `None` where there is none.
    """
    from .frontends.symbolic.restricting import divisors_of

    bad = [point for point, _ in runs.failed] + runs.unwritten
    good = [run.point for run in runs.good if run.point not in bad]
    if not bad or not good:
        return None
    why, span = "elements of an output are not written otherwise", None
    if runs.failed:
        error = runs.failed[0][1]
        why, span = f"the source fails otherwise: {error.message}", error.span
    divisors = divisors_of(found)
    choices: list[tuple[int, Kernel, Condition]] = []
    for position, size in enumerate(found.kernel.sizes):
        tried = dict.fromkeys((*sorted(divisors.get(size.name, ())), 2, 4, 8))
        values = [point[size.name] for point in good]
        narrower = [
            (replace(size, multiple=d), f"{size.name} % {d} == 0")
            for d in tried
            if d % size.multiple == 0 and d > size.multiple
        ]
        if min(values) > size.least:
            narrower.append((replace(size, least=min(values)), f"{size.name} >= {min(values)}"))
        narrower.append((replace(size, most=max(values)), f"{size.name} <= {max(values)}"))
        for chosen, text in narrower:
            condition = Condition(text, why, span)
            if any(map(condition.holds, bad)) or not any(map(condition.holds, good)):
                continue
            sizes = list(found.kernel.sizes)
            sizes[position] = chosen
            lost = sum(not condition.holds(point) for point in good)
            choices.append((lost, replace(found.kernel, sizes=tuple(sizes)), condition))
    if not choices:
        return None
    _, kernel, condition = min(choices, key=lambda choice: choice[0])
    return kernel, condition


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


def _check(name: str, mod: tvm.IRModule, runs: Sequence[_Run], *, flat: bool = False) -> Check:
    """The worst comparison of a module over the sizes with the source, compiled once."""
    from .emulation import run_module_each
    from .emulation.exposing import exposed
    from .lifting import check_outputs
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
