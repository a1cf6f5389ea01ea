#include <immintrin.h>

#define N 60

void sign(const float *x, float *y) {
  const __m512 zero = _mm512_setzero_ps();
  for (int i = 0; i < N; i += 16) {
    const __mmask16 inside = N - i >= 16 ? 0xFFFF : (__mmask16)((1u << (N - i)) - 1);
    const __m512 v = _mm512_maskz_loadu_ps(inside, x + i);
    const __mmask16 above = _mm512_cmp_ps_mask(v, zero, _CMP_GT_OQ);
    const __mmask16 below = _mm512_cmp_ps_mask(v, zero, _CMP_LT_OQ);
    __m512 s = _mm512_mask_mov_ps(zero, above, _mm512_set1_ps(1.0f));
    s = _mm512_mask_mov_ps(s, below, _mm512_set1_ps(-1.0f));
    _mm512_mask_storeu_ps(y + i, inside, s);
  }
}
