// A block an output: the last 64 partial sums are added in one warp.
#include <cuda_runtime.h>

#define OUTER 1
#define AXIS 64
#define INNER 1
#define THREADS 128

__global__ __launch_bounds__(THREADS) void sum_block(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float part[THREADS];
  const int t = threadIdx.x;
  const int outer = blockIdx.x / INNER, inner = blockIdx.x % INNER;
  float mine = 0.f;
  for (int k = t; k < AXIS; k += THREADS) mine += x[(outer * AXIS + k) * INNER + inner];
  part[t] = mine;
  __syncthreads();
  if (t < 64) part[t] += part[t + 64];
  __syncthreads();
  if (t < 32) {
    float v = part[t] + part[t + 32];
#pragma unroll
    for (int delta = 16; delta > 0; delta >>= 1) v += __shfl_down_sync(0xffffffffu, v, delta);
    if (t == 0) y[blockIdx.x] = v;
  }
}
