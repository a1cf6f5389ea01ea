"""Matrix instructions of warps and waves against numpy and the tables of `dialects.matrix`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest

from xpiler_tvm.dialects.matrix import MFMA, ROCWMMA, WAVE, WMMA, Element, Mfma, source_block
from xpiler_tvm.emulation import numpy_dtype, run_text
from xpiler_tvm.emulation.arrays import is_float
from xpiler_tvm.errors import CheckError, SetupError, XpilerError
from xpiler_tvm.kernel import Kernel, Launch, Tensor

from .support import execute, first, out, random

DTYPES = {
    "half": "float16",
    "bfloat16": "bfloat16",
    "signed char": "int8",
    "unsigned char": "uint8",
    "precision::tf32": "float32",
    "XpXf32": "float32",
    "float": "float32",
    "double": "float64",
    "int": "int32",
}


def matrix(kind: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers whose products sum exactly: few bits of floats, all of bytes."""
    rng = np.random.default_rng(seed)
    dtype = numpy_dtype(DTYPES[kind])
    if not is_float(dtype):
        limit = np.iinfo(dtype)
        return rng.integers(limit.min, limit.max, shape, dtype, endpoint=True)
    return (rng.integers(-32, 33, shape) / 8).astype(dtype)


def exact(x: np.ndarray) -> np.ndarray:
    return x.astype("float64" if is_float(x.dtype) else "int64")


CASES = [
    (row.operand, total, shape, layouts)
    for row in WMMA
    for total in row.totals
    for shape in row.shapes
    for layouts in itertools.product(("row_major", "col_major"), repeat=2)
]


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("shared", [False, True], ids=["global", "shared"])
@pytest.mark.parametrize("row", WMMA, ids=[row.operand for row in WMMA])
def test_wmma_of_every_shape(row: object, shared: bool, order: int) -> None:
    """d = 2 * (a * b + c) in every layout, in both orders of the elements."""
    cases = [case for case in CASES if case[0] == row.operand]  # type: ignore[attr-defined]
    parts, params, arrays, wants = [], [], {}, []
    for i, (operand, total, (m, n, k), (la, lb)) in enumerate(cases):
        a, b = matrix(operand, (m, k), 2 * i), matrix(operand, (k, n), 2 * i + 1)
        c = matrix(total, (m, n), 100 + i)
        if total == "int":
            c //= 4
        name = operand if "::" not in operand else "wmma::" + operand
        stored = {"precision::tf32": "float"}.get(operand, operand)
        lda, ldb = (k if la == "row_major" else m), (n if lb == "row_major" else k)
        place = f"s{i}" if shared else f"a{i}"
        copy = f"""__shared__ {stored} s{i}[{m * k}];
          for (int j = threadIdx.x; j < {m * k}; j += 32) s{i}[j] = a{i}[j];
          __syncwarp();"""
        parts.append(f"""{{
          {copy if shared else ""}
          wmma::fragment<wmma::matrix_a, {m}, {n}, {k}, {name}, wmma::{la}> fa;
          wmma::fragment<wmma::matrix_b, {m}, {n}, {k}, {name}, wmma::{lb}> fb;
          wmma::fragment<wmma::accumulator, {m}, {n}, {k}, {total}> fc, fd;
          wmma::load_matrix_sync(fa, {place}, {lda});
          wmma::load_matrix_sync(fb, b{i}, {ldb});
          wmma::load_matrix_sync(fc, c{i}, {m}, wmma::mem_col_major);
          wmma::mma_sync(fd, fa, fb, fc);
          for (int j = 0; j < fd.num_elements; ++j) fd.x[j] = fd.x[j] + fd.x[j];
          wmma::store_matrix_sync(y{i}, fd, {n}, wmma::mem_row_major);
        }}""")
        arrays |= {
            f"a{i}": a if la == "row_major" else np.ascontiguousarray(a.T),
            f"b{i}": b if lb == "row_major" else np.ascontiguousarray(b.T),
            f"c{i}": np.ascontiguousarray(c.T),
        }
        for role, kind in (("a", stored), ("b", stored), ("c", total)):
            x = arrays[f"{role}{i}"]
            params.append((f"const {kind}* {role}{i}", Tensor(f"{role}{i}", x.shape, x.dtype.name)))
        params.append((f"{total}* y{i}", out(f"y{i}", (m, n), DTYPES[total])))
        wants.append(2 * (exact(a) @ exact(b) + exact(c)))
    signature = ", ".join(declaration for declaration, _ in params)
    source = f"""#include <mma.h>
    using namespace nvcuda;
    __global__ void k({signature}) {{ {" ".join(parts)} }}"""
    kernel = Kernel(source, "cuda", "k", tuple(one for _, one in params), Launch((1,), (32,)))
    run = run_text(kernel, arrays, flags=(f"-DXP_FRAGMENT_ORDER={order}",))
    for i, (case, want) in enumerate(zip(cases, wants, strict=True)):
        got = run.arrays[f"y{i}"]
        np.testing.assert_array_equal(exact(got), exact(want.astype(got.dtype)), err_msg=str(case))


def test_fragments_have_the_hardware_s_number_of_elements() -> None:
    """From CUDA's mma.h: half operands have 16 wherever that is a share or twice and more of it."""
    kinds = [
        ("matrix_a, 16, 16, 16, half, row_major", 16),
        ("matrix_b, 32, 8, 16, half, row_major", 16),
        ("matrix_a, 8, 32, 16, half, col_major", 16),
        ("accumulator, 16, 16, 16, half", 8),
        ("accumulator, 8, 32, 16, float", 8),
        ("matrix_a, 16, 16, 16, signed char, row_major", 8),
        ("matrix_a, 32, 8, 16, unsigned char, row_major", 16),
        ("matrix_b, 32, 8, 16, signed char, row_major", 4),
        ("matrix_a, 8, 32, 16, __nv_bfloat16, row_major", 4),
        ("matrix_b, 8, 32, 16, __nv_bfloat16, col_major", 16),
        ("matrix_a, 16, 16, 8, precision::tf32, row_major", 4),
        ("matrix_b, 8, 8, 4, double, row_major", 1),
        ("accumulator, 8, 8, 4, double", 2),
    ]
    body = " ".join(
        f"y[{i}] = fragment<{kind}>::num_elements;" for i, (kind, _) in enumerate(kinds)
    )
    source = f"""#include <mma.h>
    using namespace nvcuda::wmma;
    __global__ void k(int* y) {{ {body} }}"""
    got = first(execute(source, out("y", len(kinds), "int32"), block=(1,)))
    assert got.tolist() == [count for _, count in kinds]


ORDERS = """#include <mma.h>
using namespace nvcuda::wmma;
__global__ void k(const half* a, float* y, half* z) {
  fragment<matrix_a, 16, 16, 16, half, row_major> fa;
  fragment<matrix_b, 16, 16, 16, half, col_major> fb;
  fragment<accumulator, 16, 16, 16, float> fc;
  fragment<accumulator, 16, 16, 16, half> fh;
  load_matrix_sync(fa, a, 16);
  fill_fragment(fb, 0.f);
  fill_fragment(fc, 1.5f);
  for (int i = 0; i < fa.num_elements; ++i) fa.x[i] = fa.x[i] * (half)2;
  load_matrix_sync(fh, a, 16, mem_row_major);
  for (int i = 0; i < fc.num_elements; ++i) fc.x[i] = DEPENDS;
  store_matrix_sync(y, fc, 16, mem_row_major);
  store_matrix_sync(z, fh, 16, mem_row_major);
}"""


@pytest.mark.parametrize(("value", "depends"), [("fc.x[i] * 3", False), ("(float)fh.x[i]", True)])
def test_orders_tell_apart_what_depends_on_them(value: str, depends: bool) -> None:
    """Fragments of one type share their order; those of two types do not."""
    a = random(16, 16, dtype="float16")
    params = (
        Tensor("a", (16, 16), "float16"),
        out("y", (16, 16)),
        out("z", (16, 16), "float16"),
    )
    kernel = Kernel(ORDERS.replace("DEPENDS", value), "cuda", "k", params, Launch((1,), (32,)))
    runs = [
        run_text(kernel, {"a": a}, flags=(f"-DXP_FRAGMENT_ORDER={order}",)).arrays
        for order in (0, 1)
    ]
    for run in runs:
        np.testing.assert_array_equal(run["z"], a)
    assert np.array_equal(runs[0]["y"], runs[1]["y"]) != depends


def test_integer_products_saturate_where_asked() -> None:
    source = """#include <mma.h>
    using namespace nvcuda::wmma;
    __global__ void k(const int* c, int* y, int* z) {
      fragment<matrix_a, 16, 16, 16, signed char, row_major> fa;
      fragment<matrix_b, 16, 16, 16, signed char, row_major> fb;
      fragment<accumulator, 16, 16, 16, int> fc, fd;
      fill_fragment(fa, 100);
      fill_fragment(fb, 100);
      load_matrix_sync(fc, c, 16, mem_row_major);
      mma_sync(fd, fa, fb, fc, true);
      store_matrix_sync(y, fd, 16, mem_row_major);
      mma_sync(fd, fa, fb, fc);
      store_matrix_sync(z, fd, 16, mem_row_major);
    }"""
    c = np.random.default_rng(3).choice([2**31 - 1, 2**31 - 200000, 5, -7], (16, 16))
    c = c.astype("int32")
    shape = (16, 16)
    run = execute(source, ("c", c), out("y", shape, "int32"), out("z", shape, "int32"))
    total = c.astype("int64") + 160000
    np.testing.assert_array_equal(first(run), np.minimum(total, 2**31 - 1))
    np.testing.assert_array_equal(first(run, "z"), total.astype("int32"))


def test_tf32_keeps_ten_bits() -> None:
    source = """#include <mma.h>
    using namespace nvcuda::wmma;
    __global__ void k(const float* x, float* y, float* z) {
      fragment<matrix_a, 16, 16, 8, precision::tf32, row_major> fa;
      fragment<matrix_b, 16, 16, 8, precision::tf32, row_major> fb;
      fragment<accumulator, 16, 16, 8, float> fc;
      for (int i = threadIdx.x; i < 128; i += 32) y[i] = __float_to_tf32(x[i]);
      fill_fragment(fc, 0.f);
      fill_fragment(fb, 0.f);
      load_matrix_sync(fa, x, 8);
      for (int i = 0; i < fb.num_elements; ++i) fb.x[i] = 1.f + 1.f / 4096;
      mma_sync(fc, fa, fb, fc);
      store_matrix_sync(z, fc, 16, mem_row_major);
    }"""
    x = random(16, 8)
    run = execute(source, ("x", x), out("y", (16, 8)), out("z", (16, 16)))
    got = first(run)
    assert ((got.view("uint32") & 0x1FFF) == 0).all()
    assert (abs(got - x) <= abs(x) * 2.0**-11).all()
    cut = (x.view("uint32") & np.uint32(0xFFFFE000)).view("float32")
    want = np.repeat(cut.sum(1, keepdims=True), 16, 1)
    np.testing.assert_allclose(first(run, "z"), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("declaration", "arch", "said"),
    [
        ("fragment<matrix_a, 16, 16, 32, half, row_major> f", "sm_90", "no matrix fragment"),
        ("fragment<accumulator, 16, 16, 16, double> f", "sm_90", "no matrix fragment"),
        ("fragment<matrix_a, 16, 16, 16, __nv_bfloat16, row_major> f", "sm_75", "no matrix"),
        (
            "fragment<matrix_a, 8, 8, 32, experimental::precision::u4, row_major> f",
            "sm_90",
            "exper",
        ),
    ],
)
def test_fragments_that_the_device_lacks(declaration: str, arch: str, said: str) -> None:
    source = f"""#include <mma.h>
using namespace nvcuda::wmma;
__global__ void k(int* y) {{
  {declaration};
}}"""
    with pytest.raises(XpilerError) as caught:
        execute(source, out("y", 1, "int32"), arch=arch)
    assert said in caught.value.message
    assert caught.value.span is not None and caught.value.span.line == 4


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


@pytest.mark.parametrize("row", ROCWMMA, ids=[row.operand for row in ROCWMMA])
def test_rocwmma(row: object) -> None:
    operand, (m, n, k) = row.operand, row.shapes[-1]  # type: ignore[attr-defined]
    total = row.totals[0]  # type: ignore[attr-defined]
    source = f"""#include <rocwmma/rocwmma.hpp>
    __global__ void k(const {operand}* a, const {operand}* b, {total}* y) {{
      rocwmma::fragment<rocwmma::matrix_a, {m}, {n}, {k}, {operand}, rocwmma::row_major> fa;
      rocwmma::fragment<rocwmma::matrix_b, {m}, {n}, {k}, {operand}, rocwmma::col_major> fb;
      rocwmma::fragment<rocwmma::accumulator, {m}, {n}, {k}, {total}> fc;
      rocwmma::fill_fragment(fc, ({total})3);
      rocwmma::load_matrix_sync(fa, a, {k});
      rocwmma::load_matrix_sync(fb, b, {k});
      rocwmma::mma_sync(fc, fa, fb, fc);
      rocwmma::store_matrix_sync(y, fc, {n}, rocwmma::mem_row_major);
    }}"""
    a, b = matrix(operand, (m, k), 0), matrix(operand, (n, k), 1)
    result = out("y", (m, n), DTYPES[total])
    got = first(execute(source, ("a", a), ("b", b), result, block=(64,), dialect="hip"))
    np.testing.assert_array_equal(exact(got), exact(a) @ exact(b).T + 3)


# --- mfma


def laid_out(elements: Iterable[Element], values: np.ndarray, count: int) -> np.ndarray:
    """`values` (block, row, column) as what each lane holds: (lane, register)."""
    lanes = np.zeros((WAVE, count), values.dtype)
    for one in elements:
        lanes[one.lane, one.register] = values[one.block, one.row, one.column]
    return lanes


def run_mfma(
    row: Mfma, operands: tuple[np.ndarray, np.ndarray, np.ndarray], modes: str, arch: str
) -> np.ndarray:
    """D (block, row, column) of A, B and C laid out as the table says."""
    a, b, c = operands
    element, total = {"XpXf32": "float"}.get(row.element, row.element), row.total
    wide = row.registers > 1
    vector = f"typedef {total} acc __attribute__((ext_vector_type({row.registers})));"
    typedef = vector if wide else f"typedef {total} acc;"
    operand = {
        "XpHalf4": "typedef _Float16 operand __attribute__((ext_vector_type(4)));",
        "XpShort4": "typedef short operand __attribute__((ext_vector_type(4)));",
        "XpShort2": "typedef short operand __attribute__((ext_vector_type(2)));",
        "XpFloat2": "typedef float operand __attribute__((ext_vector_type(2)));",
    }.get(row.operand, f"typedef {row.operand} operand;")
    source = f"""#include <hip/hip_runtime.h>
    {typedef}
    {operand}
    __global__ void k(const {element}* a, const {element}* b, const {total}* c, {total}* y) {{
      int t = threadIdx.x;
      acc d = ((const acc*)c)[t];
      d = {row.builtin}(((const operand*)a)[t], ((const operand*)b)[t], d, {modes});
      ((acc*)y)[t] = d;
    }}"""
    inputs = (
        ("a", laid_out(row.a(), a, row.depth)),
        ("b", laid_out(row.b(), b, row.depth)),
        ("c", laid_out(row.d(), c, row.registers)),
    )
    result = out("y", (WAVE, row.registers), DTYPES[total])
    run = execute(source, *inputs, result, block=(64,), dialect="hip", arch=arch)
    d = np.zeros_like(c)
    for one in row.d():
        d[one.block, one.row, one.column] = first(run)[one.lane, one.register]
    return d


def random_operands(row: Mfma, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a = matrix(row.element, (row.blocks, row.m, row.k), seed)
    b = matrix(row.element, (row.blocks, row.k, row.n), seed + 1)
    return a, b, matrix(row.total, (row.blocks, row.m, row.n), seed + 2)


@pytest.mark.parametrize("row", MFMA, ids=[row.name for row in MFMA])
def test_mfma_has_the_lane_maps_of_the_table(row: Mfma) -> None:
    a, b, c = random_operands(row, 10)
    got = run_mfma(row, (a, b, c), "0, 0, 0", row.archs[-1])
    want = exact(c) + exact(a) @ exact(b)
    np.testing.assert_array_equal(exact(got), exact(want.astype(got.dtype)))


@pytest.mark.parametrize(
    ("name", "cbsz", "abid"),
    [
        ("f32_32x32x1f32", 1, 1),
        ("f32_16x16x4f16", 2, 3),
        ("f32_16x16x1f32", 1, 0),
        ("f32_4x4x1f32", 4, 11),
        ("i32_4x4x4i8", 3, 5),
    ],
)
def test_mfma_broadcasts_a_block_of_a(name: str, cbsz: int, abid: int) -> None:
    row = next(one for one in MFMA if one.name == name)
    a, b, c = random_operands(row, 20)
    got = run_mfma(row, (a, b, c), f"{cbsz}, {abid}, 0", row.archs[0])
    taken = a[[source_block(block, cbsz, abid) for block in range(row.blocks)]]
    want = exact(c) + exact(taken) @ exact(b)
    np.testing.assert_array_equal(exact(got), exact(want.astype(got.dtype)))


def test_xf32_rounds_its_operands_to_ten_bits() -> None:
    row = next(one for one in MFMA if one.name == "f32_16x16x8_xf32")
    a, b = random(1, 16, 8), random(1, 8, 16, seed=1)
    got = run_mfma(row, (a, b, np.zeros((1, 16, 16), "float32")), "0, 0, 0", "gfx942")
    close, exactly = abs(got - a @ b).max(), abs(got - exact(a) @ exact(b)).max()
    assert exactly > 1e-5 and close < 8 * 2.0**-10


@pytest.mark.parametrize(
    ("modes", "said"),
    [("0, 0, 1", "blgp 1"), ("1, 0, 0", "cbsz 1"), ("0, 1, 0", "abid 1")],
)
def test_mfma_modes_that_are_not_modelled(modes: str, said: str) -> None:
    row = next(one for one in MFMA if one.name == "f32_16x16x4f32")
    with pytest.raises(CheckError) as caught:
        run_mfma(row, random_operands(row, 1), modes, "gfx90a")
    assert caught.value.code == "XP5011"
    assert said in caught.value.message


LACKING = [(row, arch) for row in MFMA for arch in ("gfx908", "gfx942") if arch not in row.archs]


@pytest.mark.parametrize(
    ("row", "arch"), LACKING[::4], ids=[f"{row.name}-{arch}" for row, arch in LACKING[::4]]
)
def test_mfma_that_the_device_lacks(row: Mfma, arch: str) -> None:
    with pytest.raises(SetupError) as caught:
        run_mfma(row, random_operands(row, 1), "0, 0, 0", arch)
    assert f"{arch} has no {row.builtin}" in caught.value.message


def test_mfma_takes_a_whole_wave() -> None:
    source = """
    typedef float acc __attribute__((ext_vector_type(4)));
    __global__ void k(float* y) {
      acc d = {};
      if (threadIdx.x < 32) d = __builtin_amdgcn_mfma_f32_16x16x4f32(1.f, 1.f, d, 0, 0, 0);
      y[threadIdx.x] = d[0];
    }"""
    with pytest.raises(CheckError) as caught:
        execute(source, out("y", 64), block=(64,), dialect="hip")
    assert caught.value.code == "XP5008"
