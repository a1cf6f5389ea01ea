#include <immintrin.h>
#include <math.h>

#define ROWS 12
#define COLS 5

void softmax(const float *x, float *y) {
#pragma omp parallel for
  for (int r = 0; r < ROWS; r++) {
    __m512 most = _mm512_set1_ps(-3.402823466e+38f);
    for (int c = 0; c < COLS; c += 16) {
      const __mmask16 inside = COLS - c >= 16 ? 0xFFFF : (__mmask16)((1u << (COLS - c)) - 1);
      const __m512 v = _mm512_maskz_loadu_ps(inside, x + r * COLS + c);
      most = _mm512_mask_max_ps(most, inside, most, v);
    }
    const float top = _mm512_reduce_max_ps(most);
    float sum = 0.0f;
    for (int c = 0; c < COLS; c++) {
      const float e = expf(x[r * COLS + c] - top);
      y[r * COLS + c] = e;
      sum += e;
    }
    const __m512 scale = _mm512_set1_ps(1.0f / sum);
    for (int c = 0; c < COLS; c += 16) {
      const __mmask16 inside = COLS - c >= 16 ? 0xFFFF : (__mmask16)((1u << (COLS - c)) - 1);
      const __m512 e = _mm512_maskz_loadu_ps(inside, y + r * COLS + c);
      _mm512_mask_storeu_ps(y + r * COLS + c, inside, _mm512_mul_ps(e, scale));
    }
  }
}
