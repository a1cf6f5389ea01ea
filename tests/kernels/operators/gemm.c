#include <immintrin.h>
#include <stdint.h>

#define M 32
#define K 32
#define N 128

// Sixteen columns of B at a time, repacked so that four rows lie side by side.
void gemm(const uint8_t *A, const int8_t *B, int32_t *C) {
  for (int n = 0; n < N; n += 16) {
    int8_t panel[K * 16];
    for (int k = 0; k < K; k += 4)
      for (int j = 0; j < 16; j++)
        for (int l = 0; l < 4; l++) panel[k * 16 + j * 4 + l] = B[(k + l) * N + n + j];
    for (int m = 0; m < M; m++) {
      __m512i sum = _mm512_setzero_si512();
      for (int k = 0; k < K; k += 4) {
        const __m512i a = _mm512_set1_epi32(*(const int32_t *)(A + m * K + k));
        const __m512i b = _mm512_loadu_si512(panel + k * 16);
        sum = _mm512_dpbusd_epi32(sum, a, b);
      }
      _mm512_storeu_si512(C + m * N + n, sum);
    }
  }
}
