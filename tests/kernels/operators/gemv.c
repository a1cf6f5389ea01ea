#include <immintrin.h>
#include <stdint.h>

#define M 3
#define N 16

void gemv(const int8_t *A, const int8_t *x, int32_t *y) {
  const __m512i offset = _mm512_set1_epi8(-128);
  for (int m = 0; m < M; m++) {
    __m512i sum = _mm512_setzero_si512(), shifted = _mm512_setzero_si512();
    for (int n = 0; n < N; n += 64) {
      const __mmask64 inside = N - n >= 64 ? ~0ull : (1ull << (N - n)) - 1;
      const __m512i a = _mm512_maskz_loadu_epi8(inside, A + m * N + n);
      const __m512i b = _mm512_maskz_loadu_epi8(inside, x + n);
      sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(a, offset), b);
      shifted = _mm512_dpbusd_epi32(shifted, offset, b);
    }
    y[m] = _mm512_reduce_add_epi32(_mm512_sub_epi32(sum, shifted));
  }
}
