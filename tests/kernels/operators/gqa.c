#include <immintrin.h>
#include <math.h>
#include <stdint.h>

#define B 1
#define H 2
#define SQ 16
#define D 16
#define SK 512
#define G (H / 2)

static inline int32_t sum_of(__m256i v) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(1, 0, 3, 2)));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_cvtsi128_si32(half);
}

// Two heads of Q share one of K and V; a head has as many numbers as a register of 256 bits.
void gqa(const int16_t *Q, const int16_t *K, const float *V, float *O) {
#pragma omp parallel for collapse(2)
  for (int b = 0; b < B; b++)
    for (int h = 0; h < H; h++) {
      const int16_t *keys = K + (b * G + h / 2) * SK * D;
      const float *values = V + (b * G + h / 2) * SK * D;
      for (int q = 0; q < SQ; q++) {
        const int row = ((b * H + h) * SQ + q) * D;
        const __m256i query = _mm256_loadu_si256((const __m256i *)(Q + row));
        float scores[SK];
        float most = -INFINITY;
        for (int k = 0; k < SK; k++) {
          const __m256i key = _mm256_loadu_si256((const __m256i *)(keys + k * D));
          const __m256i products = _mm256_dpwssd_epi32(_mm256_setzero_si256(), query, key);
          scores[k] = sum_of(products) * (1.0f / sqrtf((float)D));
          most = fmaxf(most, scores[k]);
        }
        float sum = 0.0f;
        __m512 total = _mm512_setzero_ps();
        for (int k = 0; k < SK; k++) {
          const float weight = expf(scores[k] - most);
          sum += weight;
          total = _mm512_fmadd_ps(_mm512_set1_ps(weight), _mm512_loadu_ps(values + k * D), total);
        }
        _mm512_storeu_ps(O + row, _mm512_div_ps(total, _mm512_set1_ps(sum)));
      }
    }
}
