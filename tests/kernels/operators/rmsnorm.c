#include <immintrin.h>
#include <math.h>

#define ROWS 2048
#define D 2048

void rmsnorm(const float *x, float *y) {
#pragma omp parallel for schedule(dynamic, 16)
  for (int r = 0; r < ROWS; r++) {
    // Two sums, so that one addition need not wait for the other.
    __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
    for (int d = 0; d < D; d += 32) {
      const __m512 first = _mm512_loadu_ps(x + r * D + d);
      const __m512 second = _mm512_loadu_ps(x + r * D + d + 16);
      even = _mm512_fmadd_ps(first, first, even);
      odd = _mm512_fmadd_ps(second, second, odd);
    }
    const float mean = _mm512_reduce_add_ps(_mm512_add_ps(even, odd)) / D;
    const __m512 scale = _mm512_set1_ps(1.0f / sqrtf(mean + 1e-5f));
    for (int d = 0; d < D; d += 16)
      _mm512_storeu_ps(y + r * D + d, _mm512_mul_ps(_mm512_loadu_ps(x + r * D + d), scale));
  }
}
