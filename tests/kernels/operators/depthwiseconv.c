#include <immintrin.h>

#define H 6
#define W 6
#define C 3
#define KH 3
#define KW 3
#define OH (H - KH + 1)
#define OW (W - KW + 1)

void depthwiseconv(const float *x, const float *w, float *y) {
#pragma omp parallel for
  for (int i = 0; i < OH; i++)
    for (int j = 0; j < OW; j++)
      for (int c = 0; c < C; c += 16) {
        const __mmask16 inside = C - c >= 16 ? 0xFFFF : (__mmask16)((1u << (C - c)) - 1);
        __m512 sum = _mm512_setzero_ps();
        for (int k = 0; k < KH; k++)
          for (int l = 0; l < KW; l++) {
            const __m512 pixel = _mm512_maskz_loadu_ps(inside, x + ((i + k) * W + j + l) * C + c);
            const __m512 filter = _mm512_maskz_loadu_ps(inside, w + (k * KW + l) * C + c);
            sum = _mm512_fmadd_ps(pixel, filter, sum);
          }
        _mm512_mask_storeu_ps(y + (i * OW + j) * C + c, inside, sum);
      }
}
