#include <math.h>

#define N 1
#define C 1
#define H 64
#define W 64

void instancenorm(const float *restrict x, float *restrict y) {
#pragma omp parallel for
  for (int p = 0; p < N * C; p++) {
    const float *plane = x + p * H * W;
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < H * W; i++) sum += plane[i];
    const float mean = sum / (H * W);
    float squares = 0.0f;
#pragma omp simd reduction(+ : squares)
    for (int i = 0; i < H * W; i++) squares += (plane[i] - mean) * (plane[i] - mean);
    const float scale = 1.0f / sqrtf(squares / (H * W) + 1e-5f);
    for (int i = 0; i < H * W; i++) y[p * H * W + i] = (plane[i] - mean) * scale;
  }
}
