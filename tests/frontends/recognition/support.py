"""Raised programs to recognise: made of TVM's tensor expressions, which end in the same blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tvm
from tvm import te

from xpiler_tvm.emulation import run_module
from xpiler_tvm.frontends.raising import raise_program
from xpiler_tvm.frontends.reading import read
from xpiler_tvm.frontends.recognition import Equivalent, equivalent_of, is_same_term, lowered
from xpiler_tvm.kernel import Tensor

from ..support import kernel


def given(name: str, extent: int, dtype: str = "float32") -> Tensor:
    return Tensor(name, (extent,), dtype)


def module(*tensors: te.Tensor) -> tvm.IRModule:
    """The parameters of a program, the results last, as its `main`."""
    return tvm.IRModule({"main": te.create_prim_func(list(tensors))})


def raised(body: str, *params: Tensor, grid: int = 1, block: int = 1) -> tvm.IRModule:
    """A CUDA kernel of these parameters, raised to blocks."""
    program = read(kernel(body, *params, grid=(grid,), block=(block,))).program
    form = raise_program(program)
    assert form.rung == "blocks", form.reason
    return form.mod


def names(found: Equivalent) -> list[str]:
    return [operator.name for operator in found.operators]


def recognised(mod: tvm.IRModule) -> Equivalent:
    found = equivalent_of(mod)
    assert found.mod is not None, found.reason
    return found


def difference(mod: tvm.IRModule, found: Equivalent, seed: int = 0) -> float:
    """By how much the operators' results differ from the program's: nothing where they are the same
    term, else on random inputs."""
    if is_same_term(lowered(found), mod):
        return 0.0
    given, expected = _run(mod, list(found.inputs), list(found.outputs), seed)
    arrays = [given[name] for name in found.inputs]
    arrays += [np.zeros_like(expected[name]) for name in found.outputs]
    results = run_module(lowered(found), arrays).arrays[len(found.inputs) :]
    pairs = zip(found.outputs, results, strict=True)
    return max(float(np.abs(expected[name] - result).max()) for name, result in pairs)


def _run(
    mod: tvm.IRModule, inputs: Sequence[str], outputs: Sequence[str], seed: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    given: dict[str, np.ndarray] = {}
    for param in mod["main"].params:
        given[str(param.name)] = _values(rng, param)
    done = run_module(mod, list(given.values())).arrays
    results = dict(zip(given, done, strict=True))
    return given, {name: results[name] for name in outputs}


def _values(rng: np.random.Generator, param: Any) -> np.ndarray:
    shape, dtype = [int(extent) for extent in param.shape], str(param.dtype)
    if "float" in dtype:
        return rng.uniform(0.1, 2.0, shape).astype(dtype) * rng.choice([-1, 1], shape).astype(dtype)
    return rng.integers(0, 4, shape).astype(dtype)
