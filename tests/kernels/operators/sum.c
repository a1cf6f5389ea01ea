#include <immintrin.h>

#define OUTER 1
#define AXIS 64
#define INNER 1

void sum(const float *x, float *y) {
#pragma omp parallel for
  for (int o = 0; o < OUTER; o++)
    for (int i = 0; i < INNER; i += 16) {
      const __mmask16 inside = INNER - i >= 16 ? 0xFFFF : (__mmask16)((1u << (INNER - i)) - 1);
      __m512 total = _mm512_setzero_ps();
      for (int a = 0; a < AXIS; a++) {
        const __m512 v = _mm512_maskz_loadu_ps(inside, x + (o * AXIS + a) * INNER + i);
        total = _mm512_add_ps(total, v);
      }
      _mm512_mask_storeu_ps(y + o * INNER + i, inside, total);
    }
}
