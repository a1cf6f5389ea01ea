#include <immintrin.h>

#define OUTER 1
#define AXIS 64
#define INNER 1

void maximum(const float *x, float *y) {
#pragma omp parallel for
  for (int o = 0; o < OUTER; o++)
    for (int i = 0; i < INNER; i += 16) {
      const __mmask16 inside = INNER - i >= 16 ? 0xFFFF : (__mmask16)((1u << (INNER - i)) - 1);
      __m512 most = _mm512_set1_ps(-3.402823466e+38f);
      for (int a = 0; a < AXIS; a++) {
        const __m512 v = _mm512_maskz_loadu_ps(inside, x + (o * AXIS + a) * INNER + i);
        most = _mm512_max_ps(most, v);
      }
      _mm512_mask_storeu_ps(y + o * INNER + i, inside, most);
    }
}
