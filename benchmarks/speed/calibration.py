"""What one core of this machine can do at most: multiply-adds, dot products of bytes, copies."""

from __future__ import annotations

import numpy as np

from speed.contestants import aligned, compiled
from speed.timing import seconds_of

ROUNDS = 1_000_000

_PEAKS = """#include <immintrin.h>
extern "C" void fma(float *out, long rounds) {
  __m512 s[12], a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-3f);
  for (int i = 0; i < 12; i++) s[i] = _mm512_set1_ps(i);
  for (long r = 0; r < rounds; r++)
    for (int i = 0; i < 12; i++) s[i] = _mm512_fmadd_ps(s[i], a, b);
  for (int i = 1; i < 12; i++) s[0] = _mm512_add_ps(s[0], s[i]);
  _mm512_storeu_ps(out, s[0]);
}
extern "C" void dot(int *out, long rounds) {
  __m512i s[12], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
  for (int i = 0; i < 12; i++) s[i] = _mm512_set1_epi32(i);
  for (long r = 0; r < rounds; r++)
    for (int i = 0; i < 12; i++) s[i] = _mm512_dpbusd_epi32(s[i], a, b);
  for (int i = 1; i < 12; i++) s[0] = _mm512_add_epi32(s[0], s[i]);
  _mm512_storeu_si512(out, s[0]);
}
"""


def calibration() -> dict[str, float]:
    """Peak GFLOP/s of FMA, GOP/s of vpdpbusd, GB/s (read and written) of a copy of 16 MB.

    Without AVX512-VNNI or a compiler there is the copy alone.
    """
    found: dict[str, float] = {}
    library = compiled(_PEAKS)
    if library is not None:
        import ctypes

        out = aligned(np.zeros(16, "float32"))
        place = ctypes.c_void_p(out.ctypes.data)
        rounds = ctypes.c_long(ROUNDS)
        fma = seconds_of(lambda: library.fma(place, rounds))
        dot = seconds_of(lambda: library.dot(place, rounds))
        found["fma GFLOP/s"] = ROUNDS * 12 * 16 * 2 / fma / 1e9
        found["vpdpbusd GOP/s"] = ROUNDS * 12 * 64 * 2 / dot / 1e9
    source, to = aligned(np.ones(1 << 22, "float32")), aligned(np.zeros(1 << 22, "float32"))
    found["copy GB/s"] = 2 * source.nbytes / seconds_of(lambda: np.copyto(to, source)) / 1e9
    return found
