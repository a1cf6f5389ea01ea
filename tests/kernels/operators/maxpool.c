#include <immintrin.h>

#define N 1
#define H 5
#define W 5
#define C 64
#define KH 5
#define KW 5
#define SH 1
#define SW 1
#define OH ((H - KH) / SH + 1)
#define OW ((W - KW) / SW + 1)

void maxpool(const float *x, float *y) {
#pragma omp parallel for collapse(2)
  for (int n = 0; n < N; n++)
    for (int i = 0; i < OH; i++)
      for (int j = 0; j < OW; j++)
        for (int c = 0; c < C; c += 16) {
          __m512 most = _mm512_set1_ps(-3.402823466e+38f);
          for (int k = 0; k < KH; k++)
            for (int l = 0; l < KW; l++) {
              const float *pixel = x + ((n * H + i * SH + k) * W + j * SW + l) * C + c;
              most = _mm512_max_ps(most, _mm512_loadu_ps(pixel));
            }
          _mm512_storeu_ps(y + ((n * OH + i) * OW + j) * C + c, most);
        }
}
