#define OUTER 1
#define AXIS 64
#define INNER 1

void mean(const float *restrict x, float *restrict y) {
  for (int o = 0; o < OUTER; o++)
    for (int i = 0; i < INNER; i++) {
      float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
      for (int a = 0; a < AXIS; a++) sum += x[(o * AXIS + a) * INNER + i];
      y[o * INNER + i] = sum / AXIS;
    }
}
