"""The bits of a number as another type, in every language and back."""

from __future__ import annotations

from functools import lru_cache

import pytest
from tvm import tirx

import xpiler_tvm as xt
from xpiler_tvm import frontends, tir
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.kernel import DIALECTS, Dialect, Launch, Tensor
from xpiler_tvm.lifting import check_module

SOURCE = """
#include <cuda_fp16.h>
__global__ void k(const float* x, const half* h, const signed char* b, int* y, float* z) {
  const int i = threadIdx.x;
  const unsigned char byte = b[i];
  y[i] = (__float_as_int(x[i]) >> 3) + *(const unsigned short*)(h + i) + byte;
  z[i] = __int_as_float(__float_as_int(x[i]) & 0xffff0000);
}
"""
PARAMETERS = (
    Tensor("x", (96,), "float32", "in"),
    Tensor("h", (96,), "float16", "in"),
    Tensor("b", (96,), "int8", "in"),
    Tensor("y", (96,), "int32", "out"),
    Tensor("z", (96,), "float32", "out"),
)


@lru_cache(maxsize=1)
def lifted() -> xt.Lifted:
    kernel = xt.Kernel(SOURCE, "cuda", "k", PARAMETERS, Launch(grid=(1, 1, 1), block=(96, 1, 1)))
    return xt.lift(kernel)


@pytest.mark.parametrize("target", DIALECTS)
def test_every_language_says_it(target: Dialect) -> None:
    result = xt.transcompile(lifted(), target)
    if result.kernel is None:
        return  # no C for half precision: the library has been run
    program = to_module(frontends.read(frontends.resolve(result.kernel)).program)
    check = check_module("", program, lifted().kernel, lifted().trials)
    assert check.verdict == "tested", check.detail


@pytest.mark.parametrize(
    ("value", "held", "dtype", "wanted"),
    [
        (0.0, "float32", "uint32", 0),
        (1.0, "float32", "int32", 0x3F800000),
        (-128, "int8", "uint8", 128),
        (0x3C00, "uint16", "float16", 1.0),
        (1 << 63, "uint64", "int64", -(1 << 63)),
    ],
)
def test_of_a_constant_a_constant(value: float, held: str, dtype: str, wanted: float) -> None:
    found = tir.reinterpreted(tir.const(value, held), dtype)
    assert isinstance(found, tirx.IntImm | tirx.FloatImm)
    assert tir.dtype_of(found) == dtype
    assert found.value == wanted


def test_the_payload_of_a_nan_is_kept() -> None:
    found = tir.reinterpreted(tir.const(0x7FA00001, "uint32"), "float32")
    assert not isinstance(found, tirx.FloatImm)
