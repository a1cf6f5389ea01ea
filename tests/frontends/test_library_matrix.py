"""wmma, rocWMMA and mfma: the flat program against the emulated source, bit for bit."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from xpiler_tvm import ReadError, Tensor, frontends
from xpiler_tvm.dialects.matrix import MFMA, ROCWMMA, WMMA, Mfma, Wmma
from xpiler_tvm.emulation import run_module, run_text
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.frontends.raising import raise_program
from xpiler_tvm.kernel import Dialect

from .support import arrays_for, kernel, out, random

DTYPES = {
    "half": "float16",
    "bfloat16": "bfloat16",
    "signed char": "int8",
    "unsigned char": "uint8",
    "int": "int32",
    "float": "float32",
    "double": "float64",
    "precision::tf32": "float32",
}


def numbers(count: int, dtype: str, seed: int) -> np.ndarray:
    if dtype == "bfloat16":
        return random(count, seed=seed).astype(ml_dtypes.bfloat16)
    return random(count, seed=seed, dtype=dtype)


def both(
    text: str,
    inputs: dict[str, np.ndarray],
    target: Tensor,
    dialect: Dialect = "cuda",
    *,
    threads: int = 0,
    arch: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """What the flat program and the emulated source leave in the output."""
    threads = threads or (64 if dialect == "hip" else 32)
    tensors = [Tensor(name, array.shape, array.dtype.name) for name, array in inputs.items()]
    known = kernel(text, *tensors, target, block=(threads,), dialect=dialect)
    reading = frontends.read(known)
    arrays = arrays_for(reading.kernel, tuple(inputs.items()))
    flat = run_module(to_module(reading.program), arrays).arrays[-1]
    run = run_text(reading.kernel, inputs, text=frontends.device_text(reading.kernel), arch=arch)
    return flat, run.arrays[target.name]


def _equal(flat: np.ndarray, source: np.ndarray) -> None:
    np.testing.assert_array_equal(flat.view(np.uint8), source.view(np.uint8))


# ---------------------------------------------------------------- wmma

# Two products, the second one's result in place of the first one's start; all layouts.
PRODUCTS = """namespace w = {space};
__global__ void k(const {c}* a, const {c}* b, {total}* y) {{
  typedef w::fragment<w::accumulator, {m}, {n}, {k}, {total}> Sum; Sum c[2];
  w::fragment<w::matrix_a, {m}, {n}, {k}, {operand}, w::{left}_major> fa;
  w::fragment<w::matrix_b, {m}, {n}, {k}, {operand}, w::{right}_major> fb;
  for (int i = 0; i < 2; i++) w::fill_fragment(c[i], {total}(i));
  w::load_matrix_sync(fa, a, {lda}); w::load_matrix_sync(fb, b, {ldb});
  for (int i = 0; i < 2; i++) w::mma_sync(c[1 - i], fa, fb, c[i]);
  for (int i = 0; i < c[0].num_elements; ++i) c[0].x[i] = c[0].x[i] + c[1].x[i];
  w::store_matrix_sync(y, c[0], {ldy}, w::mem_{out}_major);
  w::load_matrix_sync(c[1], y, {n}, w::mem_row_major);
  w::store_matrix_sync(y + {m} * {n}, c[1], {m}, w::mem_col_major);
}}
"""
_ROWS = [("cuda", row, WMMA) for row in WMMA] + [("hip", row, ROCWMMA) for row in ROCWMMA]


def _products(
    dialect: Dialect, row: Wmma, shape: tuple[int, int, int], total: str, way: int
) -> None:
    m, n, k = shape
    left, right, back = ("row", "col", "row") if way else ("col", "row", "col")
    operand = row.operand
    space = "nvcuda::wmma" if dialect == "cuda" else "rocwmma"
    stored = "float" if row.operand == "precision::tf32" else row.operand
    text = PRODUCTS.format(
        space=space,
        c=stored,
        total=total,
        operand="w::" + operand if "tf32" in operand else operand,
        m=m, n=n, k=k, left=left, right=right, out=back,
        lda=k if left == "row" else m,
        ldb=n if right == "row" else k,
        ldy=n if back == "row" else m,
    )  # fmt: skip
    if dialect == "cuda":
        text = text.replace("bfloat16", "__nv_bfloat16")
    inputs = {
        "a": numbers(m * k, DTYPES[row.operand], 1),
        "b": numbers(k * n, DTYPES[row.operand], 2),
    }
    target = out("y", 2 * m * n, dtype=DTYPES[total])
    _equal(*both(text, inputs, target, dialect))


@pytest.mark.parametrize(("dialect", "row"), [(d, row) for d, row, _ in _ROWS])
def test_products_of_fragments(dialect: Dialect, row: Wmma) -> None:
    """Every type, in its smallest shape that all lanes have a part of."""
    lanes = 64 if dialect == "hip" else 32
    shape = next(shape for shape in row.shapes if shape[0] * shape[2] >= lanes)
    for way, total in enumerate(row.totals):
        _products(dialect, row, shape, total, way)


@pytest.mark.parametrize("shape", WMMA[0].shapes)
def test_shapes_of_fragments(shape: tuple[int, int, int]) -> None:
    _products("cuda", WMMA[0], shape, "float", way=1)


def test_warps_of_a_block() -> None:
    text = """using namespace nvcuda;
__device__ void twice(wmma::fragment<wmma::accumulator, 16, 16, 16, float>& c) {
  for (int i = 0; i < c.num_elements; i++) c.x[i] = c.x[i] * 2 + 1;
}
__global__ void k(const half* a, const half* b, float* y) {
  __shared__ half tile[2][16 * 16]; int w = threadIdx.x / 32, lane = threadIdx.x % 32;
  wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> c; wmma::fill_fragment(c, 0.5f);
  for (int k = 0; k < 32; k += 16) {
    for (int i = lane; i < 256; i += 32) tile[w][i] = a[(w * 16 + i / 16) * 32 + k + i % 16];
    wmma::load_matrix_sync(fa, tile[w], 16); wmma::load_matrix_sync(fb, b + k, 32);
    wmma::mma_sync(c, fa, fb, c);
  }
  if (w == 1) twice(c);
  wmma::store_matrix_sync(y + w * 16, c, 32, wmma::mem_row_major);
}"""
    inputs = {"a": numbers(1024, "float16", 1), "b": numbers(1024, "float16", 2)}
    _equal(*both(text, inputs, out("y", 16 * 32), threads=64))


def test_operands_rounded_to_tf32() -> None:
    text = """using namespace nvcuda;
__global__ void k(const float* a, const float* b, float* y) {
  wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 8, float> c; wmma::fill_fragment(c, 0.f);
  wmma::load_matrix_sync(fa, a, 8); wmma::load_matrix_sync(fb, b, 16);
  for (int i = 0; i < fa.num_elements; ++i) fa.x[i] = wmma::__float_to_tf32(fa.x[i]);
  wmma::mma_sync(c, fa, fb, c); wmma::store_matrix_sync(y, c, 16, wmma::mem_row_major);
}"""
    inputs = {"a": numbers(128, "float32", 1), "b": numbers(128, "float32", 2)}
    _equal(*both(text, inputs, out("y", 256)))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("wmma::fragment<wmma::accumulator, 16, 16, 8, float> c; wmma::fill_fragment(c, 0.f);", ""),
        (
            "wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> f;"
            "for (int i = 0; i < f.num_elements; ++i) f.x[i] = 0;",
            "more than once",
        ),
        (
            "wmma::fragment<wmma::accumulator, 16, 16, 64, float> c; wmma::fill_fragment(c, 0.f);",
            "no matrix fragment",
        ),
    ],
)
def test_fragments_that_are_not_read(body: str, message: str) -> None:
    known = kernel("using namespace nvcuda; y[0] = 0;" + body, out("y", 1), block=(32,))
    if not message:
        frontends.read(known)
        return
    with pytest.raises(ReadError, match=message) as refusal:
        frontends.read(known)
    assert refusal.value.code == "XP1009"


# ---------------------------------------------------------------- mfma

OPERANDS = {
    "XpHalf4": "typedef half Operand __attribute__((ext_vector_type(4)));",
    "XpShort2": "typedef short Operand __attribute__((ext_vector_type(2)));",
    "XpShort4": "typedef short Operand __attribute__((ext_vector_type(4)));",
    "XpFloat2": "typedef float Operand __attribute__((ext_vector_type(2)));",
}
INSTRUCTION = """{operand} {total}
__global__ void k(const {c}* a, const {c}* b, {element}* y) {{
  int t = threadIdx.x; Sum c; {start}
  Operand u = *(const Operand*)(a + t * {depth}), v = *(const Operand*)(b + t * {depth});
  c = {builtin}(u, v, c, 0, 0, 0); c = {builtin}(u, v, c, {cbsz}, {abid}, 0);
  {end}
}}
"""


@pytest.mark.parametrize("row", MFMA, ids=[row.name for row in MFMA])
def test_matrix_instructions(row: Mfma) -> None:
    count, many = row.registers, row.registers > 1
    bits = row.element == "bfloat16"
    c = {"bfloat16": "short", "XpXf32": "float"}.get(row.element, row.element)
    dtype = "int16" if bits else DTYPES[c]
    vector = f" __attribute__((ext_vector_type({count})))" if many else ""
    each = f"for (int i = 0; i < {count}; i++)"
    text = INSTRUCTION.format(
        operand=OPERANDS.get(row.operand, f"typedef {row.operand} Operand;"),
        total=f"typedef {row.total} Sum{vector};",
        c=c,
        element=row.total,
        builtin=row.builtin,
        depth=row.depth,
        start=f"{each} c[i] = i;" if many else "c = 1;",
        end=f"{each} y[t * {count} + i] = c[i];" if many else "y[t] = c;",
        cbsz=2 if row.blocks >= 4 else 0,
        abid=1 if row.blocks >= 4 else 0,
    )
    values = [numbers(64 * row.depth, "bfloat16" if bits else dtype, seed) for seed in (1, 2)]
    inputs = {name: value.view(dtype) for name, value in zip("ab", values, strict=True)}
    target = out("y", 64 * count, dtype=DTYPES[row.total])
    _equal(*both(text, inputs, target, "hip", arch=row.archs[-1]))


@pytest.mark.parametrize("row", MFMA, ids=[row.name for row in MFMA])
def test_registers_hold_what_the_lane_map_says(row: Mfma) -> None:
    for element in row.d():
        place = (element.block, element.row, element.column)
        assert row.held(element.lane, element.register) == place


def test_an_instruction_that_permutes_is_refused() -> None:
    text = "y[0] = 0; __builtin_amdgcn_mfma_f64_4x4x4f64(1., 1., 1., 0, 0, 1);"
    with pytest.raises(ReadError, match="blgp"):
        frontends.read(kernel(text, out("y", 1), block=(64,), dialect="hip"))


@pytest.mark.parametrize("dialect", ["cuda", "hip"])
def test_products_of_tiles_become_one_product(dialect: Dialect) -> None:
    """The lane maps cancel: two nested spatial axes and one reduction are left."""
    body = WMMA_TILE if dialect == "cuda" else MFMA_TILE
    a, b = random(32, 32, dtype="float16"), random(32, 32, dtype="float16")
    params = (("a", a.reshape(-1)), ("b", b.reshape(-1)), out("y", 1024))
    threads = 32 if dialect == "cuda" else 64
    known = kernel(body, *params, grid=(2, 2), block=(threads,), dialect=dialect)
    form = raise_program(frontends.read(known).program)
    assert form.rung == "blocks"
    script = form.mod.script()
    assert script.count("T.sblock(") == 2  # the root and the product
    assert '"SSR"' in script


WMMA_TILE = """using namespace nvcuda; int m = blockIdx.y * 16, n = blockIdx.x * 16;
wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> fb;
wmma::fragment<wmma::accumulator, 16, 16, 16, float> c; wmma::fill_fragment(c, 0.f);
for (int k = 0; k < 32; k += 16) {
  wmma::load_matrix_sync(fa, a + m * 32 + k, 32); wmma::load_matrix_sync(fb, b + k * 32 + n, 32);
  wmma::mma_sync(c, fa, fb, c);
}
wmma::store_matrix_sync(y + m * 32 + n, c, 32, wmma::mem_row_major);"""
MFMA_TILE = """typedef _Float16 H4 __attribute__((ext_vector_type(4)));
typedef float F4 __attribute__((ext_vector_type(4))); int l = threadIdx.x;
int m = blockIdx.y * 16, n = blockIdx.x * 16, q = l / 16 * 4; F4 c = {0, 0, 0, 0};
for (int k = 0; k < 32; k += 16) {
  H4 fa, fb;
  for (int i = 0; i < 4; i++) {
    fa[i] = a[(m + l % 16) * 32 + k + q + i]; fb[i] = b[(k + q + i) * 32 + n + l % 16];
  }
  c = __builtin_amdgcn_mfma_f32_16x16x16f16(fa, fb, c, 0, 0, 0);
}
for (int i = 0; i < 4; i++) y[(m + q + i) * 32 + n + l % 16] = c[i];"""
