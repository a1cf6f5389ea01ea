#include <math.h>

#define N 60

static inline float normal(float x) { return 0.5f * (1.0f + erff(x * 0.70710678f)); }

void gelu(const float *restrict x, float *restrict y) {
#pragma omp parallel for
  for (int i = 0; i < N; i++) y[i] = x[i] * normal(x[i]);
}
