#define N 64

void sub(const float *restrict a, const float *restrict b, float *restrict c) {
#pragma omp parallel for simd schedule(static)
  for (int i = 0; i < N; i++) c[i] = a[i] - b[i];
}
