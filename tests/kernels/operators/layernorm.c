#include <immintrin.h>
#include <math.h>

#define B 1
#define S 4
#define D 32

void layernorm(const float *x, const float *gamma, const float *beta, float *y) {
  for (int r = 0; r < B * S; r++) {
    const float *row = x + r * D;
    __m512 sum = _mm512_setzero_ps();
    for (int d = 0; d < D; d += 16) sum = _mm512_add_ps(sum, _mm512_loadu_ps(row + d));
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / D);
    __m512 squares = _mm512_setzero_ps();
    for (int d = 0; d < D; d += 16) {
      const __m512 apart = _mm512_sub_ps(_mm512_loadu_ps(row + d), mean);
      squares = _mm512_fmadd_ps(apart, apart, squares);
    }
    const float deviation = sqrtf(_mm512_reduce_add_ps(squares) / D);
    const __m512 scale = _mm512_set1_ps(1.0f / (deviation + 1e-5f));
    for (int d = 0; d < D; d += 16) {
      const __m512 normal = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(row + d), mean), scale);
      const __m512 v = _mm512_fmadd_ps(normal, _mm512_loadu_ps(gamma + d), _mm512_loadu_ps(beta + d));
      _mm512_storeu_ps(y + r * D + d, v);
    }
  }
}
