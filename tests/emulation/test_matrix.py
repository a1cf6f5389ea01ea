"""Matrix instructions of warps and waves against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.errors import CheckError

from .support import execute, first, out, random


@pytest.mark.parametrize("b_layout", ["row_major", "col_major"])
@pytest.mark.parametrize(("m", "n"), [(16, 16), (32, 8), (8, 32)])
def test_wmma(m: int, n: int, b_layout: str) -> None:
    ldb = n if b_layout == "row_major" else 32
    step = f"t * {n}" if b_layout == "row_major" else "t"
    source = f"""#include <mma.h>
    using namespace nvcuda;
    __global__ void k(const half* a, const half* b, float* y) {{
      wmma::fragment<wmma::matrix_a, {m}, {n}, 16, half, wmma::row_major> fa;
      nvcuda::wmma::fragment<wmma::matrix_b, {m}, {n}, 16, half, wmma::{b_layout}> fb;
      wmma::fragment<wmma::accumulator, {m}, {n}, 16, float> fc;
      wmma::fill_fragment(fc, 0.0f);
      for (int t = 0; t < 32; t += 16) {{
        wmma::load_matrix_sync(fa, a + t, 32);
        wmma::load_matrix_sync(fb, b + {step}, {ldb});
        wmma::mma_sync(fc, fa, fb, fc);
      }}
      for (int i = 0; i < fc.num_elements; ++i) fc.x[i] *= 2.0f;
      wmma::store_matrix_sync(y, fc, {n}, wmma::mem_row_major);
    }}"""
    a, b = random(m, 32, dtype="float16"), random(32, n, seed=1, dtype="float16")
    laid = b if b_layout == "row_major" else np.ascontiguousarray(b.T)
    got = first(execute(source, ("a", a), ("b", laid), out("y", (m, n))))
    np.testing.assert_allclose(got, 2 * (a.astype("f4") @ b.astype("f4")), rtol=1e-5, atol=1e-5)


def test_wmma_of_integers_and_through_shared_memory() -> None:
    source = """#include <mma.h>
    using namespace nvcuda::wmma;
    __global__ void k(const signed char* a, const signed char* b, int* y) {
      __shared__ signed char s[256];
      for (int i = threadIdx.x; i < 256; i += 32) s[i] = a[i];
      __syncwarp();
      fragment<matrix_a, 16, 16, 16, signed char, row_major> fa;
      fragment<matrix_b, 16, 16, 16, signed char, row_major> fb;
      fragment<accumulator, 16, 16, 16, int> fc;
      fill_fragment(fc, 7);
      load_matrix_sync(fa, s, 16);
      load_matrix_sync(fb, b, 16);
      mma_sync(fc, fa, fb, fc);
      store_matrix_sync(y, fc, 16, mem_col_major);
    }"""
    a, b = random(16, 16, dtype="int8"), random(16, 16, seed=1, dtype="int8")
    got = first(execute(source, ("a", a), ("b", b), out("y", (16, 16), "int32")))
    np.testing.assert_array_equal(got.T, a.astype(int) @ b + 7)


def test_wmma_takes_a_whole_warp() -> None:
    source = """#include <mma.h>
    __global__ void k(float* y) {
      nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 16, half, nvcuda::wmma::row_major> a;
      nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, 16, half, nvcuda::wmma::row_major> b;
      nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float> c;
      nvcuda::wmma::mma_sync(c, a, b, c);
    }"""
    with pytest.raises(CheckError) as caught:
        execute(source, out("y", 1), block=(16,))
    assert caught.value.code == "XP5008"


@pytest.mark.parametrize(
    ("name", "size", "depth", "dtype", "vector"),
    [
        ("f32_16x16x4f32", 16, 4, "float32", ""),
        ("f32_32x32x2f32", 32, 2, "float32", ""),
        ("f32_16x16x16f16", 16, 16, "float16", "_Float16"),
        ("f32_32x32x8f16", 32, 8, "float16", "_Float16"),
        ("i32_16x16x16i8", 16, 16, "int8", "char"),
    ],
)
def test_mfma(name: str, size: int, depth: int, dtype: str, vector: str) -> None:
    """Lane l loads row (column) l % size and its share of the depth, as the ISA maps them."""
    scalar = {"float32": "float", "float16": "_Float16", "int8": "signed char"}[dtype]
    total = "int" if dtype == "int8" else "float"
    each = depth * size // 64
    load = f"{scalar} va[{each}], vb[{each}];"
    operand = {"float32": "float", "float16": "half4_t", "int8": "int"}[dtype]
    source = f"""#include <hip/hip_runtime.h>
    typedef _Float16 half4_t __attribute__((ext_vector_type(4)));
    using acc = __attribute__((__vector_size__({size * size // 64} * sizeof({total})))) {total};
    __global__ void k(const {scalar}* a, const {scalar}* b, {total}* y) {{
      int l = threadIdx.x, i = l % {size}, first = {each} * (l / {size});
      {load}
      for (int r = 0; r < {each}; ++r) {{
        va[r] = a[i * {depth} + first + r];
        vb[r] = b[(first + r) * {size} + i];
      }}
      acc d = {{}};
      d = __builtin_amdgcn_mfma_{name}(*({operand}*)va, *({operand}*)vb, d, 0, 0, 0);
      for (int r = 0; r < {size * size // 64}; ++r) {{
        int row = {256 // size} * (r / 4) + 4 * (l / {size}) + r % 4;
        y[row * {size} + i] = d[r];
      }}
    }}"""
    a, b = random(size, depth, dtype=dtype), random(depth, size, seed=1, dtype=dtype)
    kind = "int32" if dtype == "int8" else "float32"
    got = first(
        execute(
            source, ("a", a), ("b", b), out("y", (size, size), kind), block=(64,), dialect="hip"
        )
    )
    wide = "i8" if dtype == "int8" else "f8"
    np.testing.assert_allclose(got, a.astype(wide) @ b.astype(wide), rtol=1e-4, atol=1e-5)
