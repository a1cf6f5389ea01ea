#include <immintrin.h>
#include <math.h>
#include <stdint.h>

#define B 1
#define S 2048
#define H 6
#define D 256

// Of signed bytes: 128 is added to a, and 128 times the sum of b taken off again.
static inline int32_t dot(const int8_t *a, const int8_t *b) {
  const __m512i offset = _mm512_set1_epi8(-128);
  __m512i sum = _mm512_setzero_si512(), shifted = _mm512_setzero_si512();
  for (int d = 0; d < D; d += 64) {
    const __m512i left = _mm512_xor_si512(_mm512_loadu_si512(a + d), offset);
    const __m512i right = _mm512_loadu_si512(b + d);
    sum = _mm512_dpbusd_epi32(sum, left, right);
    shifted = _mm512_dpbusd_epi32(shifted, offset, right);
  }
  return _mm512_reduce_add_epi32(_mm512_sub_epi32(sum, shifted));
}

// Attention over the heads of each position.
void mha(const int8_t *Q, const int8_t *K, const float *V, float *O) {
#pragma omp parallel for
  for (int p = 0; p < B * S; p++) {
    for (int h = 0; h < H; h++) {
      float scores[H];
      float most = -INFINITY;
      for (int g = 0; g < H; g++) {
        scores[g] = dot(Q + (p * H + h) * D, K + (p * H + g) * D) / sqrtf((float)D);
        most = fmaxf(most, scores[g]);
      }
      float sum = 0.0f;
      for (int g = 0; g < H; g++) {
        scores[g] = expf(scores[g] - most);
        sum += scores[g];
      }
      for (int d = 0; d < D; d += 16) {
        __m512 total = _mm512_setzero_ps();
        for (int g = 0; g < H; g++) {
          const __m512 weight = _mm512_set1_ps(scores[g] / sum);
          total = _mm512_fmadd_ps(weight, _mm512_loadu_ps(V + (p * H + g) * D + d), total);
        }
        _mm512_storeu_ps(O + (p * H + h) * D + d, total);
      }
    }
  }
}
