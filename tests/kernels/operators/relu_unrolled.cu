// Four elements a thread, a block apart so that loads coalesce; a guard of the whole tile first.
#include <cuda_runtime.h>

#define N 60
#define THREADS 64
#define ITEMS 4

__global__ void __launch_bounds__(THREADS) relu_unrolled(const float* __restrict__ x, float* __restrict__ y) {
  const int base = blockIdx.x * (THREADS * ITEMS) + threadIdx.x;
  if ((blockIdx.x + 1) * (THREADS * ITEMS) <= N) {
    float v[ITEMS];
#pragma unroll
    for (int k = 0; k < ITEMS; ++k) v[k] = x[base + k * THREADS];
#pragma unroll
    for (int k = 0; k < ITEMS; ++k) y[base + k * THREADS] = fmaxf(v[k], 0.f);
  } else {
    for (int k = 0; k < ITEMS; ++k) {
      const int i = base + k * THREADS;
      if (i < N) y[i] = fmaxf(x[i], 0.f);
    }
  }
}
