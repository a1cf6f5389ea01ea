"""C with vector intrinsics: what is read, as what, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xpiler_tvm import Kernel, frontends
from xpiler_tvm.emulation import run_module, run_text
from xpiler_tvm.emulation.intrinsics import PORTABLE
from xpiler_tvm.errors import ReadError
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.kernel import Tensor
from xpiler_tvm.tir import Buffer

from .support import Given, arrays_for, out, parameter, random

HEAD = "#include <immintrin.h>\n#include <math.h>\n#include <stdint.h>\n#include <string.h>\n"


def resolved(text: str, *params: Given, entry: str | None = None) -> Kernel:
    known = tuple(map(parameter, params))
    return frontends.resolve(Kernel(HEAD + text, "vnni", entry, known, filename="kernel.c"))


def check(text: str, *params: Given, tolerance: float = 0.0) -> None:
    """What is read computes what is executed, with the processor's intrinsics and with loops."""
    known = resolved(text, *params)
    reading = frontends.read(known)
    given = {pair[0]: pair[1] for pair in params if isinstance(pair, tuple)}
    arrays = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}
    runs = [run_text(known, arrays), run_text(known, arrays, arch=PORTABLE)]
    flat = run_module(to_module(reading.program), arrays_for(known, params)).arrays
    for tensor, array in zip(known.tensors, flat, strict=False):
        if tensor.written:
            for run in runs:
                np.testing.assert_allclose(
                    array.ravel(), run.arrays[tensor.name].ravel(), rtol=tolerance, atol=tolerance
                )


def refused(text: str, *params: Given) -> ReadError:
    with pytest.raises(ReadError) as error:
        frontends.read(resolved(text, *params))
    return error.value


FLOATS = ("x", random(64))
WORDS = ("x", random(64, dtype="int32"))
BYTES = ("x", random(64, dtype="uint8"))


# ---------------------------------------------------------------- the language

LANGUAGE = {
    "helpers, pointers, loops": """
static inline int least(int a, int b) { return a < b ? a : b; }
static float half_of(const float *restrict p, int i) { return 0.5f * p[i]; }
void k(const float *restrict x, float *restrict y) {
  for (int i = 0; i < least(64, 100); i++) y[i] = half_of(x, i) + fabsf(x[63 - i]);
}""",
    "arrays of arrays": """
#define ROWS 4
void k(const float x[ROWS][16], float (*y)[ROWS]) {
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < 16; j++) y[j][i] = x[i][j];
}""",
    "allocated memory": """
#include <stdlib.h>
void k(const float *x, float *y) {
  float *t = (float *)malloc(16 * sizeof(float));
  int *count = calloc(16, sizeof *count);
  for (int r = 0; r < 4; r++) {
    memcpy(t, x + r * 16, 16 * sizeof(float));
    for (int i = 0; i < 16; i++) count[i] += t[i] > 0;
  }
  memset(y, 0, 64 * sizeof(float));
  for (int i = 0; i < 16; i++) y[i] = t[i] * count[i];
  free(t);
  free(count);
}""",
    "OpenMP": """
void k(const float *x, float *y) {
  float sum = 0;
#pragma omp parallel for simd schedule(static) reduction(+ : sum) num_threads(2)
  for (int i = 0; i < 64; i++) sum += x[i];
#pragma omp parallel for collapse(2) private(sum)
  for (int i = 0; i < 8; i++)
    for (int j = 0; j < 8; j++) {
#pragma omp atomic
      y[i * 8 + j] = x[j * 8 + i];
    }
  y[0] = sum;
}""",
    "unsigned and wide integers": """
void k(const float *x, float *y) {
  for (unsigned i = 0; i < 64u; i++) {
    uint64_t w = (uint64_t)(i - 70u) * 0x9E3779B97F4A7C15ull;
    w ^= w >> 29;
    w -= 5000000000000000000ull;
    y[i] = x[i] + (float)(w >> 40);
  }
}""",
}


@pytest.mark.parametrize("name", LANGUAGE)
def test_the_language(name: str) -> None:
    check(LANGUAGE[name], FLOATS, out("y", 64))


def test_the_kernel_is_what_nothing_else_calls() -> None:
    text = """
static void inner(float *y, int i) { y[i] = i; }
void outer(float *y) { for (int i = 0; i < 8; i++) inner(y, i); }
int main() { float y[8]; outer(y); printf("%f", y[0]); std::vector<int> rest; }
"""
    known = frontends.resolve(Kernel(text, "vnni", filename="kernel.c"))
    assert known.entry == "outer"
    assert known.params == (Tensor("y", None, "float32", "inout"),)
    assert frontends.read(known).kernel.tensors[0].shape == (8,)


def test_unknown_kernels_are_refused() -> None:
    two = "void a(float *y) { y[0] = 1; }\nvoid b(float *y) { y[0] = 2; }"
    assert refused(two, out("y", 1)).code == "XP1004"
    assert refused("int main() { return 0; }", out("y", 1)).code == "XP1005"
    with pytest.raises(ReadError, match="no function named 'c'"):
        resolved(two, out("y", 1), entry="c")


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("#pragma omp parallel sections", "XP1009", "parallel sections"),
        ("#pragma omp parallel for firstprivate(n)", "XP1009", "firstprivate"),
        ("y[0] = _mm512_unknown_ps(x);", "XP1010", "_mm512_unknown_ps"),
        ('asm("nop");', "XP1008", "assembly"),
    ],
)
def test_refusals_have_their_line(line: str, code: str, message: str) -> None:
    text = f"void k(const float *x, float *y) {{\n  int n = 4;\n{line}\n  y[0] = x[n];\n}}"
    error = refused(text, FLOATS, out("y", 1))
    assert error.code == code and message in error.message
    assert error.span is not None and error.span.line == HEAD.count("\n") + 3


def test_what_the_kernel_does_not_reach_may_be_anything() -> None:
    text = """
void driver(float *y) {
#pragma omp parallel sections
  { missing(y); }
}
void k(const float *x, float *y) { y[0] = x[0]; }"""
    known = resolved(text, FLOATS, out("y", 1), entry="k")
    assert frontends.read(known).program.body


def test_a_struct_by_value_is_refused() -> None:
    error = refused("typedef struct { float *p; int n; } S;\nvoid k(S s, float *y) { y[0] = s.n; }",
                    out("y", 1))  # fmt: skip
    assert error.code in ("XP1007", "XP1009")


# ---------------------------------------------------------------- registers

REGISTERS = {
    "a dot product of bytes": """
void k(const uint8_t *x, int32_t *y) {
  for (int j = 0; j < 16; j++) {
    __m512i v = _mm512_set1_epi32(*(const int32_t *)(x + 4 * j));
    __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), v, _mm512_set1_epi8(-3));
    y[j] = _mm512_reduce_add_epi32(sum);
  }
}""",
    "a number of bytes in a variable": """
void k(const uint8_t *x, int32_t *y) {
  for (int j = 0; j < 16; j++) {
    int32_t word, other = *(const int32_t *)(x + 4 * (15 - j));
    memcpy(&word, x + 4 * j, sizeof(word));
    __m512i sum = _mm512_dpbusd_epi32(_mm512_set1_epi32(j), _mm512_set1_epi32(word),
                                      _mm512_set1_epi32(other));
    y[j] = _mm_cvtsi128_si32(_mm512_castsi512_si128(sum));
  }
}""",
    "lanes of several types": """
void k(const uint8_t *x, int32_t *y) {
  __m256i bytes = _mm256_loadu_si256((const __m256i *)x);
  __m256i words = _mm256_unpackhi_epi16(bytes, _mm256_slli_epi64(bytes, 8));
  words = _mm256_shuffle_epi32(_mm256_xor_si256(words, bytes), _MM_SHUFFLE(0, 3, 1, 2));
  __m256 same = _mm256_castsi256_ps(_mm256_alignr_epi8(words, bytes, 3));
  _mm256_storeu_si256((__m256i *)y, _mm256_castps_si256(same));
  _mm_storel_epi64((__m128i *)(y + 8), _mm256_extracti128_si256(words, 1));
  for (int i = 10; i < 16; i++) y[i] = 0;
}""",
    "bits": """
void k(const uint8_t *x, int32_t *y) {
  for (int i = 0; i < 4; i++) {
    const uint32_t word = *(const uint32_t *)(x + 4 * i) >> (8 * i);
    y[4 * i] = _mm_popcnt_u32(word) + (int)_mm_popcnt_u64(0x700000001ull << i);
    y[4 * i + 1] = (int)_lzcnt_u32(word) - (int)_tzcnt_u32(word & ~7u);
    y[4 * i + 2] = (int)(_bzhi_u32(word, 5 * i) + _blsr_u32(word));
    y[4 * i + 3] = _mm_cvtss_si32(_mm_set_ss(word / 7.0f)) + (int)_lzcnt_u64(word);
  }
}""",
    "arrays of registers": """
void k(const uint8_t *x, int32_t *y) {
  __m128i rows[2][2];
  for (int i = 0; i < 4; i++) rows[i / 2][i % 2] = _mm_loadu_si128((const __m128i *)x + i);
  __m128i first = rows[0][1];
  rows[0][1] = rows[1][0];
  rows[1][0] = first;
  for (int i = 0; i < 4; i++)
    _mm_storeu_si128((__m128i *)y + i, _mm_shuffle_epi8(rows[i / 2][i % 2], rows[1][1]));
}""",
    "a union": """
void k(const uint8_t *x, int32_t *y) {
  union { __m512i whole; int32_t words[16]; uint8_t bytes[64]; } u;
  u.whole = _mm512_loadu_si512(x);
  u.bytes[5] = 7;
  for (int i = 0; i < 16; i++) y[i] = u.words[15 - i];
}""",
}


@pytest.mark.parametrize("name", REGISTERS)
def test_registers(name: str) -> None:
    check(REGISTERS[name], BYTES, out("y", 16, dtype="int32"))


FLOATING = {
    "rows and columns": """
void k(const float *x, float *y) {
  __m128 r[4];
  for (int i = 0; i < 4; i++) r[i] = _mm_loadu_ps(x + 4 * i);
  _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
  for (int i = 0; i < 4; i++) _mm_storeu_ps(y + 4 * i, r[3 - i]);
}""",
    "operators and elements": """
void k(const float *x, float *y) {
  const __m512 *p = (const __m512 *)x;
  __m512 a = *p++;
  a = a + p[1] * 2.0f;
  a[3] = 5.0f;
  alignas(64) float t[16];
  _mm512_store_ps(t, -a);
  for (int i = 0; i < 16; i++) y[i] = t[i] + ((const float *)&a)[15 - i] + a[i];
}""",
    "a helper": """
static float sum_of(__m256 v) {
  __m128 low = _mm256_castps256_ps128(v), high = _mm256_extractf128_ps(v, 1);
  low = _mm_add_ps(low, high);
  __m128 odd = _mm_movehdup_ps(low), pairs = _mm_add_ps(low, odd);
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehl_ps(odd, pairs)));
}
void k(const float *x, float *y) {
  for (int i = 0; i < 8; i++) y[i] = sum_of(_mm256_loadu_ps(x + 8 * i));
  _mm256_storeu_ps(y + 8, _mm256_loadu_ps(x));
}""",
    "masks": """
void k(const float *x, float *y) {
  __m512 v = _mm512_loadu_ps(x);
  const __mmask16 below = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ), odd = 0xAAAA;
  v = _mm512_mask_mul_ps(v, below & odd, v, _mm512_set1_ps(0.1f));
  if (below == 0xFFFF || !below) v = _mm512_setzero_ps();
  v = _mm512_mask_blend_ps(_mm512_kandn(below, odd), v, _mm512_set1_ps((float)(below >> 9)));
  _mm512_mask_storeu_ps(y, ~odd, v);
  _mm512_mask_storeu_ps(y, odd, _mm512_permutexvar_ps(_mm512_setr_epi32(15, 14, 13, 12, 11, 10, 9,
                        8, 7, 6, 5, 4, 3, 2, 1, 0), v));
}""",
    "stores over what is read": """
void k(const float *x, float *y) {
  _mm512_storeu_ps(y, _mm512_loadu_ps(x));
  _mm512_mask_storeu_ps(y + 1, 0x7FFF, _mm512_add_ps(_mm512_loadu_ps(y), _mm512_set1_ps(1.0f)));
  _mm256_storeu_ps(y + 3, _mm256_mul_ps(_mm256_loadu_ps(y), _mm256_loadu_ps(y + 1)));
  const __m512i even = _mm512_slli_epi32(_mm512_set_epi32(7, 6, 5, 4, 3, 2, 1, 0, 7, 6, 5, 4, 3,
                                                          2, 1, 0), 1);
  _mm512_mask_i32scatter_ps(y, 0xFF, even, _mm512_i32gather_ps(even, x, 4), 4);
}""",
    "an approximation": """
void k(const float *x, float *y) {
  const __m512 v = _mm512_add_ps(_mm512_loadu_ps(x), _mm512_set1_ps(2.0f));
  _mm512_storeu_ps(y, _mm512_mul_ps(_mm512_rsqrt14_ps(v), _mm512_rcp14_ps(v)));
}""",
}


@pytest.mark.parametrize("name", FLOATING)
def test_floating_point(name: str) -> None:
    check(FLOATING[name], FLOATS, out("y", 16), tolerance=1e-6)


def test_a_tail_is_a_bound() -> None:
    """The mask of a remainder is a comparison, so that accesses are proved to be in bounds."""
    text = """
void k(const float *x, float *y) {
  for (int i = 0; i < 60; i += 16) {
    const __mmask16 inside = 60 - i >= 16 ? 0xFFFF : (__mmask16)((1u << (60 - i)) - 1);
    _mm512_mask_storeu_ps(y + i, inside, _mm512_maskz_loadu_ps(inside, x + i));
  }
}"""
    check(text, ("x", random(60)), out("y", 60))


def test_bytes_stay_bytes() -> None:
    """What is broadcast as a word and used as bytes is never put together."""
    reading = frontends.read(
        resolved(REGISTERS["a dot product of bytes"], BYTES, out("y", 16, dtype="int32"))
    )
    script = to_module(reading.program).script()
    assert "reinterpret" not in script and "<<" not in script


def test_registers_take_the_type_of_their_use() -> None:
    text = """
void k(const float *x, int32_t *y) {
  __m512i sum = _mm512_setzero_si512();
  for (int i = 0; i < 4; i++)
    sum = _mm512_add_epi32(sum, _mm512_cvtps_epi32(_mm512_loadu_ps(x + 16 * i)));
  _mm512_storeu_si512(y, sum);
}"""
    known = resolved(text, FLOATS, out("y", 16, dtype="int32"))
    check(text, FLOATS, out("y", 16, dtype="int32"))
    buffers: list[Buffer] = []
    for statement in frontends.read(known).program.body:
        buffers += [statement.buffer] if hasattr(statement, "buffer") else []
    assert {str(buffer.dtype) for buffer in buffers if buffer.name.startswith("sum")} == {"int32"}


def test_extents_follow_from_vector_accesses() -> None:
    text = "void k(const float *x, float *y) { _mm256_storeu_ps(y + 8, _mm256_loadu_ps(x + 3)); }"
    known = frontends.resolve(Kernel(HEAD + text, "vnni", filename="kernel.c"))
    read = frontends.read(replace(known)).kernel
    assert [tensor.shape for tensor in read.tensors] == [(11,), (16,)]
