"""What kernels are run on, and what the source, run as written, makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .evidence import Check, Verdict
from .kernel import Kernel
from .ranges import Distinct, Encoded
from .stopwatch import cpu_seconds

if TYPE_CHECKING:
    import numpy as np
    import tvm

    from .verification import Family
    from .verification.reference import Limits

Arrays = Mapping[str, "np.ndarray"]

RUN_SECONDS = 60.0
"""CPU seconds that one run of one form may take."""

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


def starts_of(
    kernel: Kernel,
    seed: int,
    value_ranges: Mapping[str, tuple[int, int]],
    families: Sequence[Family] = (),
) -> list[Start]:
    """Starts of all `families`, by default those that suit the kernel, one for each more choice of
    the symbolic scalars, and for few outputs some with lone extrema; trusted indices are valid.
    """
    from .verification import inputs_for, lone_seeds

    choices = symbolic_values(kernel)
    starts = [
        Start(inputs_for(kernel, seed, family, value_ranges), choices[0], family)
        for family in families or families_of(kernel)
    ]
    for number, scalars in enumerate(choices[1:], 1):
        inputs = inputs_for(kernel, seed + number, "random", value_ranges)
        starts.append(Start(inputs, scalars, "random"))
    for number in lone_seeds(kernel):
        inputs = inputs_for(kernel, seed + number, "lone", value_ranges)
        starts.append(Start(inputs, choices[0], "lone"))
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


def trusted(value_ranges: Mapping[str, tuple[int, int]]) -> list[str]:
    """What a kernel relies on its integer inputs for, as assumptions."""
    return [
        f"elements of {name!r} lie between {bounds[0]} and {bounds[1]}"
        + (", each of them another number" if isinstance(bounds, Distinct) else "")
        for name, bounds in sorted(value_ranges.items())
        if not isinstance(bounds, Encoded)
    ]


def run_source(
    kernel: Kernel, text: str, starts: Sequence[Start]
) -> tuple[list[dict[str, np.ndarray]], Check]:
    """Runs the source as written from each start: its outputs.

    The check is `unknown` where a result is one and the same value in all runs: whatever another
    program does with its inputs, it would seem to agree.
    """
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
    verdict: Verdict = "tested"
    if same := _constants(kernel, outputs):
        name, value = same
        verdict = "unknown"
        detail += f"; but every element of {name!r} is {value:g} in each, which proves nothing"
    return outputs, Check("source runs", verdict, detail, None, cpu_seconds() - begun)


def _constants(
    kernel: Kernel, outputs: Sequence[dict[str, np.ndarray]]
) -> tuple[str, float] | None:
    """The first result that does not depend on the inputs in any run, and its value."""
    import numpy as np

    if all(tensor.intent == "out" for tensor in kernel.tensors):
        return None
    for tensor in kernel.tensors:
        if tensor.intent != "out":
            continue
        values = np.concatenate([one[tensor.name].reshape(-1) for one in outputs])
        if values.size > len(outputs) and (values == values[0]).all():
            return tensor.name, float(values[0])
    return None


def trials_of(
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
