#include <immintrin.h>

#define N 64

void add(const float *a, const float *b, float *c) {
  int i = 0;
  for (; i + 16 <= N; i += 16) {
    __m512 sum = _mm512_add_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
    _mm512_storeu_ps(c + i, sum);
  }
  for (; i < N; i++) c[i] = a[i] + b[i];
}
