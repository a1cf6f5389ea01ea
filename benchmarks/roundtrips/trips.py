"""One round trip: an operator, a schedule, a text, and back."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import tvm
from tvm import s_tir
from tvm.target import Target

from xpiler_tvm import frontends
from xpiler_tvm.codegen.hip import emit_hip, hip_target
from xpiler_tvm.codegen.lower import device_function
from xpiler_tvm.codegen_bang import bang_target, emit_bang
from xpiler_tvm.emulation import numpy_dtype, run_module, run_text, unwritten_array
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.kernel import Kernel, Launch, Tensor
from xpiler_tvm.schedules.base import unbind
from xpiler_tvm.tir import UNSOUND_PASSES

from . import schedules
from .operators import Operator, operator

Outcome = Literal[
    "right", "refused", "reader wrong", "emitter wrong", "TVM wrong", "emit failed", "crash"
]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
TARGETS = ("cuda", "hip", "bang")
RUN_SECONDS = 30.0


@dataclass(frozen=True)
class Trip:
    """What became of an operator.

    `reader wrong`: what was read differs from the text as it runs. `emitter wrong`: the text does
    not compute the operator. `TVM wrong`: nor does the scheduled program, or the text is TVM's own.
    `code` and `line` are those of a refusal.
    """

    target: str
    operator: str
    schedule: str
    outcome: Outcome
    reason: str = ""
    code: str = ""
    line: int = 0
    text: str = ""
    results: str = ""


@dataclass(frozen=True)
class Made:
    """An operator, its schedule, and the text that was made of it; `inputs` are drawn for it."""

    operator: Operator
    schedule: str
    scheduled: tvm.IRModule
    kernel: Kernel
    inputs: dict[str, np.ndarray]


class NotEmitted(Exception):
    """What a schedule or an emitter refused: which operator, by which schedule, and why."""

    def __init__(self, operator: str, schedule: str, reason: str) -> None:
        super().__init__(reason)
        self.operator, self.schedule, self.reason = operator, schedule, reason


def make(name: str) -> Made:
    """The text named `target-seed-number`. Raises `NotEmitted`."""
    target, rng = name.split("-", maxsplit=1)[0], random.Random(name)
    made = operator(rng)
    how, schedule = rng.choice(_SCHEDULES[target])
    try:
        scheduled = schedule(made.mod, rng, _target(target))
        kernel = _EMIT[target](scheduled, _kernel(made))
    except (
        schedules.NotMade, XpilerError, s_tir.ScheduleError, tvm.error.InternalError,
        ValueError, TypeError, RuntimeError,
    ) as error:  # fmt: skip
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise NotEmitted(made.name, how, lines[-1]) from None
    return Made(made, how, scheduled, kernel, _inputs(kernel, rng))


def trip(name: str) -> Trip:
    """The trip named `target-seed-number`."""
    target = name.split("-", maxsplit=1)[0]
    try:
        made = make(name)
    except NotEmitted as refusal:
        return Trip(
            target, refusal.operator, refusal.schedule, "emit failed", reason=refusal.reason
        )
    kernel, inputs, scheduled = made.kernel, made.inputs, made.scheduled
    row = Trip(target, made.operator.name, made.schedule, "emit failed", text=kernel.source)
    flat, refusal = None, row
    try:
        reading = frontends.read(frontends.resolve(kernel))
        flat = to_module(reading.program)
    except XpilerError as error:
        line = error.span.line if error.span else 0
        refusal = replace(row, outcome="refused", reason=error.message, code=error.code, line=line)
    wanted, tolerance = (
        _run_operator(made.operator.mod, inputs),
        2e-2 if "float16" in str(made.operator.mod) else 1e-3,
    )
    try:
        source = run_text(kernel, inputs, seconds=RUN_SECONDS).arrays[_result(kernel)]
    except XpilerError as error:
        place = f"{error.span}: " if error.span else ""
        reason = f"the text does not run: {place}{error.message}"
        return replace(
            row, outcome=_whose(target, scheduled, inputs, wanted, tolerance), reason=reason
        )
    row = replace(row, results=f"text:\n{source}\noperator:\n{wanted}")
    if flat is not None:
        read = _run_flat(flat, kernel, inputs)
        row = replace(row, results=f"flat:\n{read}\n{row.results}")
        difference = _difference(read, source, 1e-5)
        if difference:
            fault = _fault(kernel, inputs)
            outcome: Outcome = "emitter wrong" if fault else "reader wrong"
            return replace(row, outcome=outcome, reason=fault or difference)
    difference = _difference(source, wanted, tolerance)
    if difference:
        whose = _whose(target, scheduled, inputs, wanted, tolerance)
        return replace(row, outcome=whose, reason=difference)
    return replace(row, outcome="right") if flat is not None else replace(
        refusal, results=row.results)  # fmt: skip


def _fault(kernel: Kernel, inputs: dict[str, np.ndarray]) -> str:
    """The first fault of a text that has several meanings because of it."""
    run = run_text(kernel, inputs, seconds=RUN_SECONDS, build="checked")
    faults = [f"{one.kind}: {one.message}" for one in run.findings if one.kind != "time"]
    return faults[0] if faults else ""


def _whose(
    target: str,
    scheduled: tvm.IRModule,
    inputs: dict[str, np.ndarray],
    wanted: np.ndarray,
    tolerance: float,
) -> Outcome:
    """Whether a wrong text was made of a right program, and not by TVM itself."""
    if target == "cuda":
        return "TVM wrong"
    try:
        found = _run_operator(unbind(scheduled), inputs)
    except XpilerError:
        return "TVM wrong"
    return "TVM wrong" if _difference(found, wanted, tolerance) else "emitter wrong"


# ---------------------------------------------------------------- emitting


def _target(name: str) -> Target:
    if name == "hip":
        return hip_target()
    if name == "bang":
        return bang_target()
    return Target(
        {"kind": "cuda", "arch": "sm_80", "max_num_threads": 1024, "thread_warp_size": 32,
         "max_threads_per_block": 1024, "max_shared_memory_per_block": 49152},
        host="llvm",
    )  # fmt: skip


def _kernel(made: Operator) -> Kernel:
    """An operator as emitters take a kernel: its parameters."""
    params = list(made.mod["main"].params)
    tensors = tuple(
        Tensor(
            str(buffer.name),
            tuple(int(extent) for extent in buffer.shape),
            str(buffer.dtype),
            "out" if buffer is params[-1] else "in",
        )
        for buffer in params
    )
    return Kernel(
        "", "cuda", f"{made.name}_kernel", tensors, Launch((1,), (1,)), filename=made.name
    )


def _as_cuda(mod: tvm.IRModule, kernel: Kernel) -> Kernel:
    """The text that TVM's own code generator gives."""
    target = _target("cuda")
    function = device_function(mod, target)
    bound = tvm.IRModule({"main": mod["main"].without_attr("target")})
    with tvm.transform.PassContext(disabled_pass=list(UNSOUND_PASSES)):
        library = tvm.compile(bound, target=target)
    (device,) = library.mod.imports
    text = str(device.inspect_source())
    head = re.search(r"\b(\w+_kernel)\(([^)]*)\)\s*\{", text)
    if head is None:
        raise schedules.NotMade("the text has no kernel")
    by_name = {tensor.name: tensor for tensor in kernel.tensors}
    params = []
    for param in head[2].split(","):
        name = re.split(r"[\s*]+", param.strip())[-1]
        params.append(replace(by_name[name.removesuffix("_ptr")], name=name))
    launch = Launch(function.grid, function.block)
    return Kernel(text, "cuda", head[1], tuple(params), launch, filename=f"{kernel.entry}.cu")


def _as_hip(mod: tvm.IRModule, kernel: Kernel) -> Kernel:
    return emit_hip(mod, kernel)[1]


def _as_bang(mod: tvm.IRModule, kernel: Kernel) -> Kernel:
    return emit_bang(mod, kernel)[1]


def _by_rules(mod: tvm.IRModule, rng: random.Random, target: Any) -> tvm.IRModule:
    """The schedule that the project's own rules choose."""
    from xpiler_tvm import schedules as rules

    del rng
    return rules.apply(mod, "bang" if target == bang_target() else "hip").mod


Scheduler = Callable[[tvm.IRModule, random.Random, Any], tvm.IRModule]
_GPU: list[tuple[str, Scheduler]] = [
    ("composed", schedules.composed),
    ("composed", schedules.composed),
    ("dlight", schedules.dlight),
    ("sampled", schedules.sampled),
]
_SCHEDULES: dict[str, list[tuple[str, Scheduler]]] = {
    "cuda": _GPU,
    "hip": [*_GPU, ("rules", _by_rules)],
    "bang": [("rules", _by_rules), ("tasks", schedules.tasks)],
}
_EMIT: dict[str, Callable[[tvm.IRModule, Kernel], Kernel]] = {
    "cuda": _as_cuda, "hip": _as_hip, "bang": _as_bang}  # fmt: skip


# ---------------------------------------------------------------- running


def _result(kernel: Kernel) -> str:
    return next(tensor.name for tensor in kernel.tensors if tensor.written)


def _inputs(kernel: Kernel, rng: random.Random) -> dict[str, np.ndarray]:
    draws = np.random.default_rng(rng.randrange(1 << 30))
    arrays = {}
    for tensor in kernel.tensors:
        dtype = numpy_dtype(tensor.dtype)
        if tensor.written:
            arrays[tensor.name] = unwritten_array(tensor.shape or (), dtype)
        elif "float" in tensor.dtype:
            arrays[tensor.name] = draws.uniform(-1, 1, tensor.shape).astype(dtype)
        else:
            arrays[tensor.name] = draws.integers(-100, 100, tensor.shape or ()).astype(dtype)
    return arrays


def _run_operator(mod: tvm.IRModule, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """What a program over the operator's own tensors gives."""
    given = {name.removesuffix("_ptr"): array for name, array in inputs.items()}
    arrays = [given[str(buffer.name)] for buffer in mod["main"].params]
    return run_module(mod, arrays, seconds=RUN_SECONDS).arrays[-1]


def _run_flat(flat: tvm.IRModule, kernel: Kernel, inputs: dict[str, np.ndarray]) -> np.ndarray:
    arrays = [inputs[tensor.name] for tensor in kernel.tensors]
    run = run_module(flat, arrays, seconds=RUN_SECONDS)
    names = [tensor.name for tensor in kernel.tensors]
    return run.arrays[names.index(_result(kernel))]


def _difference(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> str:
    """How two results differ, floats by more than a part of what is usual in them."""
    a, b = found.reshape(-1).astype(np.float64), wanted.reshape(-1).astype(np.float64)
    if not np.issubdtype(wanted.dtype, np.integer):
        finite = b[np.isfinite(b)]
        usual = float(np.sqrt(np.mean(finite**2))) if finite.size else 1.0
        off = ~np.isclose(a, b, rtol=tolerance, atol=tolerance * usual, equal_nan=True)
    else:
        off = a != b
    where = np.flatnonzero(off)
    if not where.size:
        return ""
    at = int(where[0])
    return f"[{at}] is {a[at]} instead of {b[at]} ({where.size} of {a.size} elements differ)"
