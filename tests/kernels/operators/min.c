#include <math.h>

#define OUTER 1
#define AXIS 64
#define INNER 1

static inline float smaller(float a, float b) { return a < b ? a : b; }

void minimum(const float *restrict x, float *restrict y) {
#pragma omp parallel for
  for (int e = 0; e < OUTER * INNER; e++) {
    const float *first = x + e / INNER * AXIS * INNER + e % INNER;
    float least = *first;
    for (int a = 1; a < AXIS; a++) least = smaller(least, first[a * INNER]);
    y[e] = least;
  }
}
