"""`lift` of kernels with symbolic sizes: one lift, and the conditions under which it holds.

The flat program is read once for all sizes. The raised one is generalised from what raising makes
at several points; both are then run at others, the nasty ones, against the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from . import frontends
from .conditions import Condition
from .errors import CheckError, ReadError
from .evidence import Check
from .kernel import Kernel, Scalar
from .stopwatch import Stopwatch, cpu_seconds
from .symbolic_runs import (
    CHECKED_POINTS,
    RUN_SECONDS,
    Run,
    Runs,
    named,
    restricted,
    run_source,
    separating,
)

if TYPE_CHECKING:
    import numpy as np
    import tvm

    from .frontends.symbolic.raising import RaisedForAll
    from .frontends.symbolic.restricting import ReadForAll
    from .lifting import Lifted
    from .verification.proofs import Obligation

MOST_RESTRICTIONS = 4  # that runs of the source may lead to


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
    from .oracles import require as required
    from .verification.proofs import doubts_of, obligations, refuted

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
        runs = run_source(found, text, conditions, seed)
        narrower = restricted(found, runs) if len(stated) < MOST_RESTRICTIONS else None
        if narrower is not None:
            kernel, condition = narrower
            return lift_symbolic(kernel, seed=seed, stated=(*stated, condition))
        checks = [_check_bounds(found), *_source_runs(found, runs)]
    program, mod, rung = found.reading.program, raised.mod, raised.rung
    flat, fallback = to_module(program), opaque_module(program)
    notes = [f"{raised.span}: {raised.reason}" if raised.span else raised.reason]
    with watch("check lift"):
        checks.append(required(_check("flat = source", flat, runs.good)))
        check = _check(f"raised ({rung}) = source", mod, runs.good)
        if not check.ok and rung != "opaque":
            agreeing, narrowed = _agreeing(found.kernel, mod, runs.good)
            conditions += narrowed
            check = _check(f"raised ({rung}) = source", mod, agreeing) if narrowed else check
        if not check.ok and rung != "opaque":
            notes.append(f"the raised form was dropped: {check.detail}")
            mod, rung, conditions = fallback, "opaque", _conditions(resolved, found, None, stated)
            check = _check("raised (opaque) = source", mod, runs.good)
        checks.append(required(check))
        if rung != "opaque":
            checks.append(_check_form(raised))
    with watch("prove"):
        proved = obligations(found.reading, mod, rung)
        if refuted(proved, raised=True):
            larger = _large_enough(found, mod, rung, runs.good)
            if larger is not None:
                condition, proved = larger
                conditions.append(condition)
        if faults := refuted(proved, raised=True):
            notes.append(f"the raised form was dropped: {faults[0]}")
            mod, rung, conditions = fallback, "opaque", _conditions(resolved, found, None, stated)
            checks[-2:] = [required(_check("raised (opaque) = source", mod, runs.good))]
            proved = obligations(found.reading, mod, rung)
        notes += doubts_of(proved)
    return Lifted(
        replace(found.kernel, sizes=resolved.sizes),
        program,
        flat,
        mod,
        rung,
        tuple(note for note in notes if note),
        (*program.assumptions, *(raised.assumptions if rung != "opaque" else ())),
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

    given = dict(scalars)
    order = [param.name for param, _ in lifted.program.params if isinstance(param, Scalar)]
    if set(order) != set(given):
        raise CheckError(
            "XP5007",
            f"the scalars {sorted(given)} are given, and it takes {sorted(order)}",
            hint="sizes and scalars without a value go by keyword",
        )
    if lifted.conditions:
        lifted.require(**{name: int(given[name]) for name in lifted.kernel.size_names})
    values = [given[name] for name in order]
    results = run_module(lifted.mod, arrays, scalars=values, seconds=RUN_SECONDS).arrays
    for tensor, array, result in zip(lifted.kernel.tensors, arrays, results, strict=True):
        if tensor.written:
            array[...] = result.reshape(array.shape)


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


# ---------------------------------------------------------------- checks


def _source_runs(found: ReadForAll, runs: Runs) -> list[Check]:
    """The evidence of the runs, where all of them were good. Raises the first error else."""
    for point, error in runs.failed:
        error.message = f"{error.message} (where {named(point)})"
        raise error
    if not runs.good:
        raise ReadError("XP1014", "no sizes in the ranges meet the conditions of the lift")
    points = [named(run.point) for run in runs.good]
    detail = f"{found.kernel.dialect} emulated at {'; '.join(points)}"
    watched = "no race, no access out of bounds, nothing read before it is written"
    where = "; ".join(points[:CHECKED_POINTS])
    return [
        Check("source runs", "tested", detail, None, runs.seconds),
        Check("source has no faults", "tested", f"checked runs, {watched}: at {where}"),
    ]


def _agreeing(
    kernel: Kernel, mod: tvm.IRModule, runs: Sequence[Run]
) -> tuple[list[Run], list[Condition]]:
    """The runs with which a raised form agrees, and the condition that keeps it to these.

    All runs, and none, where it agrees everywhere or where no simple condition is enough.
    """
    bad = [run for run in runs if not _check("", mod, [run]).ok]
    good = [run for run in runs if run not in bad]
    points = [run.point for run in good], [run.point for run in bad]
    chosen = separating(kernel.sizes, {}, *points) if bad else None
    if chosen is None:
        return list(runs), []
    condition = Condition(chosen[1], "the raised form is another one elsewhere")
    return [run for run in good if condition.holds(run.point)], [condition]


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


def _check(name: str, mod: tvm.IRModule, runs: Sequence[Run]) -> Check:
    """The worst comparison of a module over the sizes with the source, compiled once."""
    from .emulation import run_module_each
    from .emulation.exposing import exposed
    from .oracles import check_outputs
    from .verification import worst_of

    begun = cpu_seconds()
    mod, local = exposed(mod)
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
            check = replace(check, detail=f"where {named(run.point)}: {check.detail}")
        checks.append(check)
    worst = worst_of(checks)
    detail = worst.detail if not worst.ok else f"{len(runs)} points; worst: {worst.detail}"
    return replace(worst, detail=detail, seconds=cpu_seconds() - begun)


def _arrays(run: Run) -> list[np.ndarray]:
    return [run.trial.inputs[tensor.name] for tensor in run.kernel.tensors]


def _large_enough(
    found: ReadForAll, mod: tvm.IRModule, rung: str, runs: Sequence[Run]
) -> tuple[Condition, tuple[Obligation, ...]] | None:
    """The least size from which on nothing of a raised form is refuted, and what is proved then.

    Small sizes may leave a tile that the form takes to be full. `None` where no size is enough.
    """
    from .frontends.symbolic.restricting import lengths_of
    from .verification.proofs import obligations, refuted

    for least in lengths_of(found):
        for size in found.kernel.sizes:
            condition = Condition(f"{size.name} >= {least}", "the raised form takes a tile as full")
            if size.least >= least or not any(condition.holds(run.point) for run in runs):
                continue
            narrower = replace(size, least=least)
            sizes = tuple(narrower if one is size else one for one in found.kernel.sizes)
            reading = replace(found.reading, kernel=replace(found.reading.kernel, sizes=sizes))
            proved = obligations(reading, mod, rung)
            if not refuted(proved, raised=True):
                return condition, proved
    return None


def _check_form(raised: RaisedForAll) -> Check:
    points = "; ".join(map(named, raised.points))
    later = "; ".join(map(named, raised.confirmed))
    detail = f"generalised from {points}; raised again at {later}: the same"
    return Check("raised form for all sizes", "tested", detail)
