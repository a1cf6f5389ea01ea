"""Runs of a kernel with symbolic sizes at points, and what sets good points apart from bad ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import frontends
from .conditions import Condition
from .errors import ReadError, XpilerError
from .extents import value_of
from .kernel import Kernel, Scalar, Size
from .stopwatch import cpu_seconds

if TYPE_CHECKING:
    from .frontends.program import Program
    from .frontends.symbolic.restricting import ReadForAll
    from .trials import Trial

Point = Mapping[str, int]

RUN_SECONDS = 60.0  # CPU seconds that a run may take

MOST_POINTS = 10  # at which forms are run
CHECKED_POINTS = 2  # of these, where the source runs with every access watched


@dataclass(frozen=True, eq=False)
class Run:
    """A point, the kernel there, and what the source made of inputs."""

    point: Point
    kernel: Kernel
    trial: Trial


def launch_values(kernel: Kernel, point: Point) -> dict[str, int]:
    """The sizes, and the launch at them by the names that CUDA has for it."""
    values = dict(point)
    launch = kernel.launch
    if launch is not None:
        for name, extents in (("blockDim", launch.block), ("gridDim", launch.grid)):
            padded = (*(value_of(extent, point) for extent in extents), 1, 1, 1)[:3]
            values |= {f"{name}.{axis}": n for axis, n in zip("xyz", padded, strict=True)}
    return values


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of the source at points that meet the conditions.

    `failed` are points at which it fails, with the error, and `unwritten` those at which it leaves
    elements of its outputs as they were.
    """

    good: list[Run]
    failed: list[tuple[Point, XpilerError]]
    unwritten: list[Point]
    seconds: float


def run_source(found: ReadForAll, text: str, conditions: Sequence[Condition], seed: int) -> Runs:
    from .verification import unwritten_outputs

    begun = cpu_seconds()
    runs = Runs([], [], [], 0.0)
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


def _tells_nothing(run: Run) -> bool:
    """Whether all that the source made of the inputs is no number, as it may be of a few."""
    import numpy as np

    floats = [array for array in run.trial.outputs.values() if array.dtype.kind == "f"]
    return any(bool(np.isnan(array).all()) for array in floats)


def named(point: Point) -> str:
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


def _run_at(found: ReadForAll, text: str, point: Point, seed: int) -> Run:
    from .emulation import run_text
    from .frontends.program import to_module
    from .frontends.symbolic.instances import at_point
    from .oracles import check_bounds
    from .trials import Start, Trial
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
    return Run(point, kernel, Trial(inputs, scalars, run.arrays, limits))


def _check_at(run: Run, text: str) -> None:
    """A checked run of the source. Raises `CheckError` XP5012 with the first fault."""
    from .oracles import check_faults
    from .trials import Start

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


# ---------------------------------------------------------------- restrictions from runs


def restricted(found: ReadForAll, runs: Runs) -> tuple[Kernel, Condition] | None:
    """The kernel where its source neither fails nor leaves elements unwritten, and why.

    `None` where it is good everywhere, or where no simple restriction keeps it so.
    """
    from .frontends.symbolic.restricting import divisors_of

    bad = [point for point, _ in runs.failed] + runs.unwritten
    good = [run.point for run in runs.good if run.point not in bad]
    why, span = "elements of an output are not written otherwise", None
    if runs.failed:
        error = runs.failed[0][1]
        why, span = f"the source fails otherwise: {error.message}", error.span
    chosen = separating(found.kernel.sizes, divisors_of(found), good, bad)
    if chosen is None:
        return None
    size, text = chosen
    sizes = tuple(size if one.name == size.name else one for one in found.kernel.sizes)
    return replace(found.kernel, sizes=sizes), Condition(text, why, span)


def separating(
    sizes: Sequence[Size],
    divisors: Mapping[str, Sequence[int]],
    good: Sequence[Point],
    bad: Sequence[Point],
) -> tuple[Size, str] | None:
    """A size that is a multiple, or larger or smaller, such that bad points are kept out.

    Of those that there are, the one that keeps most of the good points.
    """
    if not bad or not good:
        return None
    choices: list[tuple[int, Size, str]] = []
    for size in sizes:
        tried = dict.fromkeys((*sorted(divisors.get(size.name, ())), 2, 4, 8))
        values = [point[size.name] for point in good]
        narrower = [
            (replace(size, multiple=d), f"{size.name} % {d} == 0")
            for d in tried
            if d % size.multiple == 0 and d > size.multiple
        ]
        after = min((v for v in values if all(v > p[size.name] for p in bad)), default=0)
        if after:
            narrower.append((replace(size, least=after), f"{size.name} >= {after}"))
        before = max((v for v in values if all(v < p[size.name] for p in bad)), default=0)
        if before:
            narrower.append((replace(size, most=before), f"{size.name} <= {before}"))
        for chosen, text in narrower:
            condition = Condition(text, "")
            kept = sum(map(condition.holds, good))
            if kept and not any(map(condition.holds, bad)):
                choices.append((-kept, chosen, text))
    if not choices:
        return None
    _, size, text = min(choices, key=lambda choice: choice[0])
    return size, text
