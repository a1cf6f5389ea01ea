"""Inline assembly of tensor cores: the flat program against the emulated source, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xpiler_tvm as xt
from xpiler_tvm import ReadError, Tensor, frontends
from xpiler_tvm.dialects.ptx import MMA, Mma
from xpiler_tvm.emulation import run_module, run_text
from xpiler_tvm.frontends.program import to_module

from .support import arrays_for, kernel, out

KERNELS = Path(__file__).parents[1] / "kernels"
WORDS = {
    "f16": "float16",
    "tf32": "float32",
    "s8": "int8",
    "u8": "uint8",
    "f32": "float32",
    "s32": "int32",
}


def words(count: int, dtype: str, seed: int) -> np.ndarray:
    """Words of 32 bits that hold small numbers."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(-8, 8, count * 4 // np.dtype(dtype).itemsize).astype(dtype)
    return numbers.view("uint32")


@pytest.mark.parametrize(
    "row",
    [
        row
        for row in MMA
        if (row.k, row.operands)
        in (
            (16, ("f16", "f16")),
            (8, ("tf32", "tf32")),
            (32, ("s8", "s8")),
            (32, ("u8", "s8")),
            (16, ("s8", "u8")),
        )
    ],
    ids=lambda row: row.name.removeprefix("__ptx_"),
)
def test_products_of_registers(row: Mma) -> None:
    """Results apart from what they start from, in variables and in an array."""
    na, nb, nd = row.a_registers, row.b_registers, row.total_registers
    groups = ((0, nd), (nd, na), (nd + na, nb), (nd + na + nb, nd))
    listed = ", ".join("{" + ", ".join(f"%{s + i}" for i in range(n)) + "}" for s, n in groups)
    outputs = ", ".join(f'"=r"(d{i})' for i in range(nd))
    inputs = ", ".join(f'"r"(a[t * {na} + {i}])' for i in range(na))
    inputs += "".join(f', "r"(rb[{i}])' for i in range(nb))
    inputs += "".join(f', "r"(c[t * {nd} + {i}])' for i in range(nd))
    text = f"""
    __global__ void k(const unsigned* a, const unsigned* b, const unsigned* c, unsigned* y) {{
      int t = threadIdx.x;
      unsigned rb[{nb}], {", ".join(f"d{i}" for i in range(nd))};
      for (int i = 0; i < {nb}; ++i) rb[i] = b[t * {nb} + i];
      asm volatile("{row.mnemonic} {listed};" : {outputs} : {inputs});
      {" ".join(f"y[t * {nd} + {i}] = d{i};" for i in range(nd))}
    }}"""
    sizes = (("a", na, row.operands[0]), ("b", nb, row.operands[1]), ("c", nd, row.total))
    inputs_of = {n: words(32 * each, WORDS[kind], i) for i, (n, each, kind) in enumerate(sizes)}
    tensors = [Tensor(name, array.shape, "uint32") for name, array in inputs_of.items()]
    reading = frontends.read(kernel(text, *tensors, out("y", 32 * nd, dtype="uint32"), block=(32,)))
    arrays = arrays_for(reading.kernel, tuple(inputs_of.items()))
    flat = run_module(to_module(reading.program), arrays).arrays[-1]
    run = run_text(reading.kernel, inputs_of, text=frontends.device_text(reading.kernel))
    np.testing.assert_array_equal(flat, run.arrays["y"])


def test_a_pipelined_product_is_a_product() -> None:
    lifted = xt.lift(xt.Kernel.from_file(KERNELS / "hgemm_cp_async_mma.cu"))
    assert [str(one) for one in lifted.operators] == ["C = matmul(A, B, accumulates=float32)"]
    assert any("asynchronous copies are waited for" in one for one in lifted.assumptions)


COPY = """__global__ void k(const float* x, float* y, int n) {{
  __shared__ __align__(16) float s[128];
  int t = threadIdx.x;
  asm volatile("{how}" :: "r"((unsigned)__cvta_generic_to_shared(&s[t * 4])), "l"(&x[t * 4]){more});
  asm volatile("cp.async.wait_all;");
  __syncthreads();
  for (int i = 0; i < 4; ++i) y[t * 4 + i] = s[127 - t * 4 - i];
}}"""


@pytest.mark.parametrize(
    ("how", "more", "code"),
    [
        ("cp.async.cg.shared.global [%0], [%1], 16, %2;", ', "r"(t < 29 ? 16 : 0)', None),
        ("cp.async.ca.shared.global [%0], [%1], %2;", ', "n"(16)', None),
        ("cp.async.cg.shared.global [%0], [%1], 16, %2;", ', "r"(t < 29 ? 16 : 8)', "XP1009"),
        ("cp.async.cg.shared.global [%0], [%1], 16, p;", "", "XP1008"),
        ("cp.async.bulk.shared.global [%0], [%1], 16;", "", "XP1008"),
    ],
    ids=["zeros", "constant", "part", "unknown operand", "unknown"],
)
def test_copies(how: str, more: str, code: str | None) -> None:
    text = COPY.format(how=how, more=more)
    x = np.arange(128, dtype="float32")
    known = kernel(
        text, Tensor("x", (128,)), out("y", 128), xt.Scalar("n", "int32", 29), block=(32,)
    )
    if code:
        with pytest.raises(ReadError) as raised:
            frontends.read(known)
        assert raised.value.code == code
        return
    reading = frontends.read(known)
    arrays = arrays_for(reading.kernel, (("x", x),))
    flat = run_module(to_module(reading.program), arrays).arrays[-1]
    want = np.where(np.arange(128) < (116 if "29" in more else 128), x, 0)[::-1]
    np.testing.assert_array_equal(flat, want)
