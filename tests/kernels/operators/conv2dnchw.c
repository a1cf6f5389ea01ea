#include <immintrin.h>
#include <stdint.h>

#define N 16
#define H 8
#define W 8
#define CI 64
#define CO 128
#define KH 2
#define KW 2
#define STRIDE 2
#define OH ((H - KH) / STRIDE + 1)
#define OW ((W - KW) / STRIDE + 1)
#define PATCH (CI * KH * KW)

// Each patch of the image is copied into one row, against which a filter is a plain product.
void conv2dnchw(const uint8_t *x, const int8_t *w, int32_t *y) {
  for (int n = 0; n < N; n++)
    for (int i = 0; i < OH; i++)
      for (int j = 0; j < OW; j++) {
        uint8_t patch[PATCH];
        for (int c = 0; c < CI; c++)
          for (int k = 0; k < KH; k++)
            for (int l = 0; l < KW; l++)
              patch[(c * KH + k) * KW + l] =
                  x[((n * CI + c) * H + i * STRIDE + k) * W + j * STRIDE + l];
        for (int o = 0; o < CO; o++) {
          __m512i sum = _mm512_setzero_si512();
          for (int p = 0; p < PATCH; p += 64)
            sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(patch + p),
                                      _mm512_loadu_si512(w + o * PATCH + p));
          y[((n * CO + o) * OH + i) * OW + j] = _mm512_reduce_add_epi32(sum);
        }
      }
}
