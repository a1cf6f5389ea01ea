#include <immintrin.h>
#include <stdint.h>

#define M 16
#define K 64
#define N 64

void dense(const int16_t A[M][K], const int16_t B[K][N], const int32_t *bias, int32_t C[M][N]) {
#pragma omp parallel for
  for (int n = 0; n < N; n += 16) {
    int16_t pairs[K / 2][16][2];
    for (int k = 0; k < K; k++)
      for (int j = 0; j < 16; j++) pairs[k / 2][j][k % 2] = B[k][n + j];
    for (int m = 0; m < M; m++) {
      __m512i sum = _mm512_loadu_si512(bias + n);
      for (int k = 0; k < K; k += 2) {
        const __m512i a = _mm512_set1_epi32(*(const int32_t *)&A[m][k]);
        sum = _mm512_dpwssd_epi32(sum, a, _mm512_loadu_si512(pairs[k / 2]));
      }
      _mm512_storeu_si512(&C[m][n], sum);
    }
  }
}
