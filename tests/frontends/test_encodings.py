"""Integers that hold the bits of numbers: found, and drawn as such."""

from __future__ import annotations

import numpy as np
import pytest

import xpiler_tvm as xt
from xpiler_tvm import frontends
from xpiler_tvm.emulation import numpy_dtype
from xpiler_tvm.ranges import Encoded
from xpiler_tvm.verification import inputs_for

from .support import kernel, out, random

BYTES = random(256, dtype="uint8")
SHORTS = random(64, dtype="int16")
WORDS = random(64, dtype="uint32")
X = random(64)

# Types of x, the body, and what the elements of x hold the bits of.
CASES: dict[str, tuple[np.ndarray, str, str | None]] = {
    "bfloat16": (
        SHORTS,
        "y[t] = __uint_as_float((unsigned)(unsigned short)x[t] << 16);",
        "bfloat16",
    ),
    "bfloat16 by a product": (
        SHORTS.astype("uint16"),
        "y[t] = __uint_as_float(x[t] * 65536u);",
        "bfloat16",
    ),
    "bfloat16 by a local array": (
        SHORTS.astype("uint16"),
        "unsigned short v[2] = {x[t], x[63 - t]}; y[t] = __uint_as_float((unsigned)v[1] << 16);",
        "bfloat16",
    ),
    "half": (SHORTS, "y[t] = __half2float(__short_as_half(x[t]));", "float16"),
    "two halves": (WORDS, "y[t] = __low2float(*(const half2*)(x + t));", "float16"),
    "float": (WORDS, "y[t] = __uint_as_float(x[t]) * 2;", "float32"),
    "float of bytes": (BYTES, "y[t] = *(const float*)(x + 4 * t);", "float32"),
    "numbers as they are": (WORDS, "y[t] = x[t] << 16;", None),
    "an index": (WORDS.astype("int32") % 64, "y[t] = __int_as_float(x[x[t]]);", None),
}


@pytest.mark.parametrize("name", CASES)
def test_what_elements_hold(name: str) -> None:
    given, body, wanted = CASES[name]
    text = "int t = threadIdx.x;\n" + body
    reading = frontends.read(kernel(text, ("x", given), out("y", 64), block=(64,)))
    bounds = reading.value_ranges.get("x")
    assert (bounds.dtype if isinstance(bounds, Encoded) else None) == wanted


@pytest.mark.parametrize("family", ["random", "indexed", "extreme", "peaked", "lone"])
@pytest.mark.parametrize(
    ("held", "dtype"), [("uint16", "bfloat16"), ("int32", "float16"), ("uint8", "float32")]
)
def test_they_are_drawn_as_numbers(held: str, dtype: str, family: str) -> None:
    known = xt.Kernel("", "cuda", params=(xt.Tensor("x", (4, 64), held),))
    ranges = {"x": Encoded(dtype, held)}
    (array,) = inputs_for(known, 3, family, ranges).values()  # type: ignore[arg-type]
    assert array.dtype == held and array.shape == (4, 64)
    numbers = array.reshape(-1).view(numpy_dtype(dtype)).astype("float64")
    assert np.isfinite(numbers).all() and (numbers < 0).any() and (numbers > 0).any()
    assert len(np.unique(numbers)) > 5


def test_a_product_of_bits_is_lifted_and_tested_on_numbers() -> None:
    text = """__global__ void k(const unsigned short* a, const unsigned short* b, float* c) {
  int m = threadIdx.y, n = threadIdx.x; float s = 0;
  for (int i = 0; i < 32; ++i)
    s += __uint_as_float((unsigned)a[m * 32 + i] << 16) *
         __uint_as_float((unsigned)b[i * 16 + n] << 16);
  c[m * 16 + n] = s;
}
int main() { unsigned short *a, *b; float* c; cudaMalloc(&a, 512); cudaMalloc(&b, 1024);
  cudaMalloc(&c, 512); k<<<1, dim3(16, 8)>>>(a, b, c); }"""
    lifted = xt.lift(xt.Kernel.from_source(text, "cuda"))
    assert lifted.rung == "blocks"
    assert not [line for line in lifted.assumptions if "lie between" in line]
    for trial in lifted.trials:
        assert (np.abs(trial.outputs["c"]) > 1e-4).mean() > 0.9
