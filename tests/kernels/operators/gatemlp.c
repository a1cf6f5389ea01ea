#include <immintrin.h>
#include <math.h>
#include <stdint.h>

#define M 32
#define K 64
#define N 64

static void pack(const int16_t *W, int n, int16_t *pairs) {
  for (int k = 0; k < K; k++)
    for (int j = 0; j < 16; j++) pairs[k / 2 * 32 + j * 2 + k % 2] = W[k * N + n + j];
}

void gatemlp(const int16_t *X, const int16_t *A, const int16_t *B, float *Y) {
  for (int n = 0; n < N; n += 16) {
    int16_t gates[K * 16], values[K * 16];
    pack(A, n, gates);
    pack(B, n, values);
    for (int m = 0; m < M; m++) {
      __m512i gate = _mm512_setzero_si512(), value = _mm512_setzero_si512();
      for (int k = 0; k < K; k += 2) {
        const __m512i x = _mm512_set1_epi32(*(const int32_t *)(X + m * K + k));
        gate = _mm512_dpwssd_epi32(gate, x, _mm512_loadu_si512(gates + k * 16));
        value = _mm512_dpwssd_epi32(value, x, _mm512_loadu_si512(values + k * 16));
      }
      float g[16], e[16];
      _mm512_storeu_ps(g, _mm512_cvtepi32_ps(gate));
      for (int j = 0; j < 16; j++) e[j] = 1.0f + expf(-g[j]);
      const __m512 silu = _mm512_div_ps(_mm512_loadu_ps(g), _mm512_loadu_ps(e));
      _mm512_storeu_ps(Y + m * N + n, _mm512_mul_ps(silu, _mm512_cvtepi32_ps(value)));
    }
  }
}
