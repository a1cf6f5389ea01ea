"""Kernels in place of what a Relax module calls."""

from __future__ import annotations

import runpy
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tvm
from tvm.s_tir import dlight as dl
from tvm.target import Target

import xpiler_tvm as xt

from .test_importing import run

EXAMPLE = Path(__file__).parents[2] / "examples" / "transformer_block.py"
ROWS, COLS = 8, 32

# The function is called on a tensor of another shape than the kernel's rows.
MODEL = """
@I.ir_module
class Module:
    @T.prim_func(private=True, s_tir=True)
    def rows(x: T.Buffer((2, 4, 32), "float32"), y: T.Buffer((2, 4, 32), "float32")):
        for b, i, j in T.grid(2, 4, 32):
            with T.sblock("y"):
                vb, vi, vj = T.axis.remap("SSS", [b, i, j])
                y[vb, vi, vj] = BODY

    @R.function
    def main(x: R.Tensor((2, 4, 32), "float32")):
        cls = Module
        with R.dataflow():
            t = R.multiply(x, R.const(2.0, "float32"))
            y = R.call_tir(cls.rows, (t,), out_ty=R.Tensor((2, 4, 32), "float32"))
            z = R.add(y, R.const(1.0, "float32"))
            R.output(z)
        return z
"""

DOUBLE = """
__global__ void doubled(const float *x, float *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] + x[i];
}
"""


def model(body: str) -> tvm.IRModule:
    return tvm.script.from_source(MODEL.replace("BODY", body))


@lru_cache
def doubled(size: int = ROWS * COLS) -> xt.Lifted:
    params = (
        xt.Tensor("x", (size,)),
        xt.Tensor("y", (size,), intent="out"),
        xt.Scalar("n", value=size),
    )
    kernel = xt.Kernel(DOUBLE, "cuda", "doubled", params, xt.Launch((size // 32,), (32,)))
    return xt.lift(kernel)


@pytest.mark.parametrize("operators", [False, True])
def test_a_kernel_takes_the_place_of_a_function(operators: bool) -> None:
    original = model("x[vb, vi, vj] * T.float32(2)")
    made = xt.relax.ReplaceKernels({"rows": doubled()}, operators=operators)(original)
    assert "rows" not in [str(var.name_hint) for var in made.get_global_vars()]
    x = np.random.default_rng(0).standard_normal((2, 4, 32), dtype="float32")
    (found,), (expected,) = run(made, [x]), run(original, [x])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_kernel_that_does_something_else_is_refused() -> None:
    original = model("x[vb, vi, vj] * T.float32(3)")
    with pytest.raises(xt.CheckError) as error:
        xt.relax.ReplaceKernels({"rows": doubled()})(original)
    assert error.value.code == "XP5001"


def test_a_kernel_of_another_size_is_refused() -> None:
    original = model("x[vb, vi, vj] * T.float32(2)")
    with pytest.raises(xt.EmitError, match="the kernel has float32") as error:
        xt.relax.ReplaceKernels({"rows": doubled(128)})(original)
    assert error.value.code == "XP4004"


def test_a_transformer_block_of_cuda_kernels_is_numpys() -> None:
    example: dict[str, Any] = runpy.run_path(str(EXAMPLE))
    mod = xt.relax.ReplaceKernels(example["kernels"]())(example["model"]())
    arrays = example["inputs"](3)
    found, expected = example["run"](mod, arrays), example["reference"](*arrays)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_our_rules_are_dlights() -> None:
    mod = model("x[vb, vi, vj] * T.float32(2)")
    with Target("llvm"):
        made = dl.ApplyDefaultSchedule(xt.relax.DefaultSchedule("vnni"))(mod)
    assert str(made["rows"].attrs["xpiler.schedule"]).startswith("cpu.")
    x = np.ones((2, 4, 32), "float32")
    np.testing.assert_array_equal(run(made, [x])[0], np.full((2, 4, 32), 5, "float32"))
