#include <immintrin.h>
#include <math.h>
#include <stdint.h>

#define N 1
#define M 8
#define D 256
#define LQ 100
#define L 4
#define P 4
#define LEN 13101

void deformable(const float *value, const int32_t *shapes, const float *locations,
                const float *weights, float *output) {
#pragma omp parallel for collapse(3)
  for (int n = 0; n < N; n++)
    for (int q = 0; q < LQ; q++)
      for (int m = 0; m < M; m++) {
        float *out = output + ((n * LQ + q) * M + m) * D;
        for (int d = 0; d < D; d += 16) _mm512_storeu_ps(out + d, _mm512_setzero_ps());
        int start = 0;
        for (int l = 0; l < L; l++) {
          const int height = shapes[2 * l], width = shapes[2 * l + 1];
          for (int p = 0; p < P; p++) {
            const int at = (((n * LQ + q) * M + m) * L + l) * P + p;
            const float x = locations[2 * at] * width - 0.5f;
            const float y = locations[2 * at + 1] * height - 0.5f;
            const int left = (int)floorf(x), top = (int)floorf(y);
            for (int corner = 0; corner < 4; corner++) {
              const int i = top + corner / 2, j = left + corner % 2;
              if (i >= 0 && i < height && j >= 0 && j < width) {
                const float part = (1.0f - fabsf(y - i)) * (1.0f - fabsf(x - j)) * weights[at];
                const float *pixel = value + ((n * LEN + start + i * width + j) * M + m) * D;
                for (int d = 0; d < D; d += 16) {
                  const __m512 old = _mm512_loadu_ps(out + d);
                  const __m512 v = _mm512_loadu_ps(pixel + d);
                  _mm512_storeu_ps(out + d, _mm512_fmadd_ps(_mm512_set1_ps(part), v, old));
                }
              }
            }
          }
          start += height * width;
        }
      }
}
