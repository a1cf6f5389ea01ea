#include <immintrin.h>
#include <stdint.h>

#define N 16
#define H 8
#define W 8
#define CI 64
#define CO 64
#define KH 2
#define KW 2
#define STRIDE 2
#define OH ((H - KH) / STRIDE + 1)
#define OW ((W - KW) / STRIDE + 1)

void conv2d(const uint8_t *x, const int8_t *w, int32_t *y) {
#pragma omp parallel for collapse(3)
  for (int n = 0; n < N; n++)
    for (int i = 0; i < OH; i++)
      for (int j = 0; j < OW; j++)
        for (int o = 0; o < CO; o++) {
          __m512i sum = _mm512_setzero_si512();
          for (int k = 0; k < KH; k++)
            for (int l = 0; l < KW; l++) {
              const uint8_t *pixel = x + ((n * H + i * STRIDE + k) * W + j * STRIDE + l) * CI;
              const int8_t *filter = w + ((o * KH + k) * KW + l) * CI;
              for (int c = 0; c < CI; c += 64)
                sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(pixel + c),
                                          _mm512_loadu_si512(filter + c));
            }
          y[((n * OH + i) * OW + j) * CO + o] = _mm512_reduce_add_epi32(sum);
        }
}
