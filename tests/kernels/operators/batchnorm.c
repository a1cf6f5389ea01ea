#include <immintrin.h>
#include <math.h>

#define N 1
#define C 512
#define H 1
#define W 1

void batchnorm(const float *x, const float *mean, const float *var, const float *gamma,
               const float *beta, float *y) {
#pragma omp parallel for collapse(2)
  for (int n = 0; n < N; n++)
    for (int c = 0; c < C; c++) {
      const float scale = gamma[c] / sqrtf(var[c] + 1e-5f);
      const __m512 factor = _mm512_set1_ps(scale);
      const __m512 shift = _mm512_set1_ps(beta[c] - mean[c] * scale);
      for (int i = 0; i < H * W; i += 16) {
        const int left = H * W - i;
        const __mmask16 inside = left >= 16 ? 0xFFFF : (__mmask16)((1u << left) - 1);
        const int at = (n * C + c) * H * W + i;
        const __m512 v = _mm512_maskz_loadu_ps(inside, x + at);
        _mm512_mask_storeu_ps(y + at, inside, _mm512_fmadd_ps(v, factor, shift));
      }
    }
}
