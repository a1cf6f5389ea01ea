#include <immintrin.h>

#define N 60

void relu(const float *x, float *y) {
  const __m512 zero = _mm512_setzero_ps();
  for (int i = 0; i < N; i += 16) {
    const __mmask16 inside = N - i >= 16 ? 0xFFFF : (__mmask16)((1u << (N - i)) - 1);
    __m512 v = _mm512_maskz_loadu_ps(inside, x + i);
    _mm512_mask_storeu_ps(y + i, inside, _mm512_max_ps(v, zero));
  }
}
