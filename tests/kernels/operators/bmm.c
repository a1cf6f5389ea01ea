#include <immintrin.h>
#include <stdint.h>

#define BATCH 1
#define M 128
#define K 128
#define N 128

// A is signed: 128 is added to it, and 128 times the sum of B's column taken off again.
void bmm(const int8_t *A, const int8_t *B, int32_t *C) {
  const __m512i offset = _mm512_set1_epi8(-128);
#pragma omp parallel for collapse(2)
  for (int b = 0; b < BATCH; b++)
    for (int n = 0; n < N; n += 16) {
      int8_t panel[K * 16];
      for (int k = 0; k < K; k++)
        for (int j = 0; j < 16; j++) panel[k / 4 * 64 + j * 4 + k % 4] = B[(b * K + k) * N + n + j];
      __m512i shifted = _mm512_setzero_si512();
      for (int k = 0; k < K; k += 4)
        shifted = _mm512_dpbusd_epi32(shifted, offset, _mm512_loadu_si512(panel + k * 16));
      for (int m = 0; m < M; m++) {
        __m512i sum = _mm512_setzero_si512();
        for (int k = 0; k < K; k += 4) {
          const __m512i a = _mm512_set1_epi32(*(const int32_t *)(A + (b * M + m) * K + k));
          const __m512i row = _mm512_loadu_si512(panel + k * 16);
          sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(a, offset), row);
        }
        _mm512_storeu_si512(C + (b * M + m) * N + n, _mm512_sub_epi32(sum, shifted));
      }
    }
}
