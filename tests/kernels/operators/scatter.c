#include <immintrin.h>
#include <stdint.h>

#define OUTER 32
#define AXIS 128
#define INNER 32
#define COUNT (AXIS / 2)

void scatter(const float *updates, const int32_t *index, float *y) {
  for (int o = 0; o < OUTER; o++)
    for (int k = 0; k < COUNT; k++)
      for (int i = 0; i < INNER; i += 16) {
        const __mmask16 inside = INNER - i >= 16 ? 0xFFFF : (__mmask16)((1u << (INNER - i)) - 1);
        const __m512 v = _mm512_maskz_loadu_ps(inside, updates + (o * COUNT + k) * INNER + i);
        _mm512_mask_storeu_ps(y + (o * AXIS + index[k]) * INNER + i, inside, v);
      }
}
