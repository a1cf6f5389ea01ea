#include <math.h>

#define N 2048

void sine(const float *restrict x, float *restrict y) {
#pragma omp parallel for num_threads(4)
  for (int i = 0; i < N; i++) y[i] = sinf(x[i]);
}
