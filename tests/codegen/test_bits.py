"""The bits of a number, counted or as another type, in every language and back."""

from __future__ import annotations

from functools import cache

import pytest
from tvm import tirx

import xpiler_tvm as xt
from xpiler_tvm import frontends, tir
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.kernel import DIALECTS, Dialect, Intent, Launch, Tensor
from xpiler_tvm.oracles import check_module

TYPES = """
#include <cuda_fp16.h>
__global__ void k(const float* x, const half* h, const signed char* b, int* y, float* z) {
  const int i = threadIdx.x;
  const unsigned char byte = b[i];
  y[i] = (__float_as_int(x[i]) >> 3) + *(const unsigned short*)(h + i) + byte;
  z[i] = __int_as_float(__float_as_int(x[i]) & 0xffff0000);
}
"""
COUNTS = """
__global__ void k(const unsigned* x, const long long* w, int* y) {
  const int i = threadIdx.x;
  y[i] = __popc(x[i]) + __builtin_ctz(x[i] | 256) + 7 * __popcll(w[i]) + 9 * __clzll(w[i]);
  if (__builtin_expect(__builtin_parity(x[i]), 1)) y[i] += 1000;
}
"""


def _given(name: str, dtype: str, intent: Intent = "in") -> Tensor:
    return Tensor(name, (96,), dtype, intent)


KERNELS = {
    "types": (
        TYPES,
        (
            _given("x", "float32"),
            _given("h", "float16"),
            _given("b", "int8"),
            _given("y", "int32", "out"),
            _given("z", "float32", "out"),
        ),
    ),
    "counts": (
        COUNTS,
        (_given("x", "uint32"), _given("w", "int64"), _given("y", "int32", "out")),
    ),
}


@cache
def lifted(name: str) -> xt.Lifted:
    source, parameters = KERNELS[name]
    launch = Launch(grid=(1, 1, 1), block=(96, 1, 1))
    return xt.lift(xt.Kernel(source, "cuda", "k", parameters, launch))


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("target", DIALECTS)
def test_every_language_says_it_and_reads_it_back(target: Dialect, name: str) -> None:
    first = lifted(name)
    result = xt.transcompile(first, target)
    if result.kernel is None:
        return  # no C for half precision: the library has been run
    program = to_module(frontends.read(frontends.resolve(result.kernel)).program)
    check = check_module("", program, first.kernel, first.trials)
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
