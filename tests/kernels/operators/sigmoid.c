#include <immintrin.h>

#define N 60

// 2^n e^r with n whole and |r| <= ln(2) / 2; e^r by its Taylor polynomial.
static inline __m512 exponential(__m512 x) {
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.0f / 5040.0f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 720.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

void sigmoid(const float *x, float *y) {
  const __m512 one = _mm512_set1_ps(1.0f);
  for (int i = 0; i < N; i += 16) {
    const __mmask16 inside = N - i >= 16 ? 0xFFFF : (__mmask16)((1u << (N - i)) - 1);
    const __m512 v = _mm512_maskz_loadu_ps(inside, x + i);
    const __m512 e = exponential(_mm512_sub_ps(_mm512_setzero_ps(), v));
    _mm512_mask_storeu_ps(y + i, inside, _mm512_div_ps(one, _mm512_add_ps(one, e)));
  }
}
