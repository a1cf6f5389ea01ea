"""C with VNNI intrinsics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xpiler_tvm.errors import ReadError

from .support import execute, first, number, out, random

CPU = Path("/proc/cpuinfo")
HAS_VNNI = CPU.exists() and "avx512_vnni" in CPU.read_text()


def test_plain_c() -> None:
    source = """
    #include <math.h>
    #include <stdlib.h>
    static int min(int a, int b) { return a < b ? a : b; }
    void k(const float *restrict x, float *restrict y, int n) {
      float *t = malloc(n * sizeof *t);
    #pragma omp parallel for
      for (int i = 0; i < n; i++) t[i] = expf(x[i]) + fabs(x[i]);
      for (int i = 0; i < min(n, 100); i++) y[i] = t[i];
      free(t);
    }"""
    x = random(100)
    got = first(execute(source, ("x", x), out("y", 100), number("n", 100), dialect="vnni"))
    np.testing.assert_allclose(got, np.exp(x) + np.abs(x), rtol=1e-6)


@pytest.mark.skipif(not HAS_VNNI, reason="this processor has no AVX512-VNNI")
def test_vnni() -> None:
    source = """
    #include <immintrin.h>
    #include <stdint.h>
    void k(const uint8_t* a, const int8_t* b, int32_t* c) {
      for (int j = 0; j < 32; j += 16) {
        __m512i sum = _mm512_setzero_si512();
        for (int l = 0; l < 64; l += 4) {
          __m512i left = _mm512_set1_epi32(*(const int*)(a + l));
          sum = _mm512_dpbusd_epi32(sum, left, _mm512_loadu_si512(b + l * 32 + j * 4));
        }
        _mm512_storeu_si512(c + j, sum);
      }
    }"""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, 64, dtype="uint8")
    b = rng.integers(-128, 128, (64, 32), dtype="int8")
    packed = np.ascontiguousarray(b.reshape(16, 4, 32).transpose(0, 2, 1))
    got = first(execute(source, ("a", a), ("b", packed), out("y", 32, "int32"), dialect="vnni"))
    np.testing.assert_array_equal(got, a.astype(int) @ b)


TAIL = """
    #include <immintrin.h>
    void k(const float* x, float* y) {
      __m512 v = %s;
      _mm512_mask_storeu_ps(y, 0x3FF, v);
    }"""


def test_a_checked_run_sees_each_lane() -> None:
    x = random(10)
    load = "_mm512_maskz_loadu_ps(0x3FF, x)"
    run = execute(TAIL % load, ("x", x), out("y", 10), dialect="vnni", build="checked")
    assert run.findings == () and np.array_equal(first(run), x)
    run = execute(
        TAIL % "_mm512_loadu_ps(x)", ("x", x), out("y", 10), dialect="vnni", build="checked"
    )
    (finding,) = run.findings
    assert finding.kind == "out of bounds"
    assert finding.span is not None and finding.span.line == 4


def test_an_aligned_load_wants_its_alignment() -> None:
    source = TAIL % "_mm512_load_ps(x + %d)"
    for shift, kinds in ((16, set()), (1, {"misaligned access"})):
        run = execute(
            source % shift, ("x", random(64)), out("y", 10), dialect="vnni", build="checked"
        )
        assert {finding.kind for finding in run.findings} == kinds


def test_registers_over_a_field() -> None:
    source = TAIL % "_mm512_fmadd_ps(_mm512_loadu_ps(x), _mm512_set1_ps(0.5f), _mm512_loadu_ps(x))"
    x = np.arange(2, 34, 2, dtype="float32").view("uint32").view("float32")
    x.view("uint32")[:] = np.arange(2, 34, 2)
    run = execute(source, ("x", x), out("y", 10), dialect="vnni", build="field")
    assert first(run).view("uint32").tolist() == [3 * number for number in range(1, 11)]


def test_another_device_is_refused() -> None:
    with pytest.raises(ReadError, match="native or portable"):
        execute("void k(float* y) { y[0] = 1; }", out("y", 1), dialect="vnni", arch="sm_80")
