"""The operators as programs to tune, with inputs of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tvm

from speed.contestants import kernel_of
from speed.operators import Operator
from xpiler_tvm import frontends
from xpiler_tvm.frontends.raising import raise_program
from xpiler_tvm.schedules.base import Scheduled
from xpiler_tvm.tuning import tune
from xpiler_tvm.tuning.bench import Bench, bench_for
from xpiler_tvm.tuning.oracle import Oracle


def raised(operator: Operator) -> tvm.IRModule:
    """The operator's C text as a raised program."""
    kernel = frontends.resolve(kernel_of(operator))
    return raise_program(frontends.read(kernel).program).mod


def inputs_of(operator: Operator) -> dict[str, np.ndarray]:
    """The operator's own inputs by name, whose indices are valid ones, and a result of zeros."""
    *inputs, result = operator.tensors
    arrays = dict(zip([each.name for each in inputs], operator.inputs(), strict=True))
    arrays[result.name] = np.zeros(result.shape, result.dtype)
    return arrays


def bench_of(operator: Operator, mod: tvm.IRModule, target: str) -> Bench:
    """What measures or models the operator's candidates, on its own inputs."""
    return bench_for(mod, target, Oracle.of_module(mod, inputs_of(operator)))


def tuned_schedule(operator: Operator, mod: tvm.IRModule, trials: int, folder: Path) -> Scheduled:
    """The best schedule for vnni of so many trials, those on record in a folder included."""
    found = tune(mod, "vnni", trials=trials, db=folder, inputs=inputs_of(operator))
    return found.schedule(mod)
