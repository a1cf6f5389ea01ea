#include <immintrin.h>

#define OUT 5
#define KW 3

void conv1d(const float *x, const float *w, float *y) {
  for (int i = 0; i < OUT; i += 8) {
    const __mmask8 inside = OUT - i >= 8 ? 0xFF : (__mmask8)((1u << (OUT - i)) - 1);
    __m256 sum = _mm256_setzero_ps();
    for (int k = 0; k < KW; k++) {
      const __m256 v = _mm256_maskz_loadu_ps(inside, x + i + k);
      sum = _mm256_fmadd_ps(_mm256_set1_ps(w[k]), v, sum);
    }
    _mm256_mask_storeu_ps(y + i, inside, sum);
  }
}
