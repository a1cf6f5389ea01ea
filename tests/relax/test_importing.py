"""Files of kernels and host code as Relax functions, run in TVM's virtual machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import relax
from tvm.target import Target

import xpiler_tvm as xt
from xpiler_tvm import backend
from xpiler_tvm.verification import inputs_for

FOLDER = Path(__file__).parents[1] / "kernels" / "sequences"
FILES = {
    "layernorm_steps.hip": {},  # three kernels, statistics side by side in one array
    "softmax_three.cu": {"rows": 30, "n": 20},  # an array that is updated
    "keep_before.cu": {"n": 100},  # copies on the device
}


GPU = Target({"kind": "cuda", "arch": "sm_80"}, host="llvm")


def run(mod: tvm.IRModule, arrays: list[np.ndarray]) -> list[np.ndarray]:
    machine = relax.VirtualMachine(tvm.compile(mod, target="llvm"), tvm.cpu())
    made = machine["main"](*map(tvm.runtime.tensor, arrays))
    return [each.numpy() for each in ([made] if hasattr(made, "numpy") else made)]


@pytest.mark.parametrize("name", FILES)
def test_the_function_does_what_the_kernels_do(name: str) -> None:
    imported = xt.relax.ImportKernels(FOLDER / name, args=FILES[name])
    backend.autoload()
    sequence = imported.sequence
    inputs = inputs_for(sequence.interface, 3, "random", sequence.value_ranges)
    expected = sequence.run_source(inputs)
    arrays = sequence.arrays
    given = [inputs[one.name] for one in arrays if one.intent in ("in", "inout")]
    mod = imported(tvm.IRModule())
    assert tvm.compile(mod, GPU, relax_pipeline="xpiler").mod.imports[0].imports
    made = run(mod, given)
    outputs = [one.name for one in arrays if one.intent in ("out", "inout")]
    for output, value in zip(outputs, made, strict=True):
        np.testing.assert_allclose(value, expected[output], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("heat_loop.cu", "leaves elements of 'after'"), ("histogram_share.cu", "updates bins")],
)
def test_what_calls_have_no_place_for_is_refused(name: str, reason: str) -> None:
    with pytest.raises(xt.EmitError, match=reason) as error:
        xt.relax.ImportKernels(FOLDER / name)(tvm.IRModule())
    assert error.value.code == "XP4004"
