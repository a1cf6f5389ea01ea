// A warp a row, four rows a block; the row stays in registers.
#include <cuda_runtime.h>

#define ROWS 12
#define COLS 5
#define WARPS 4
#define PER_LANE ((COLS + 31) / 32)

__device__ __forceinline__ float warp_max(float v) {
#pragma unroll
  for (int mask = 16; mask > 0; mask >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffff, v, mask));
  return v;
}

__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int mask = 16; mask > 0; mask >>= 1) v += __shfl_xor_sync(0xffffffff, v, mask);
  return v;
}

__global__ __launch_bounds__(32 * WARPS) void softmax_warp(const float* __restrict__ x, float* __restrict__ y) {
  const int lane = threadIdx.x & 31;
  const int row = blockIdx.x * WARPS + (threadIdx.x >> 5);
  if (row >= ROWS) return;
  x += row * COLS;
  y += row * COLS;

  float v[PER_LANE];
  float best = -1e30f;
#pragma unroll
  for (int i = 0; i < PER_LANE; ++i) {
    const int c = i * 32 + lane;
    v[i] = c < COLS ? x[c] : -1e30f;
    best = fmaxf(best, v[i]);
  }
  best = warp_max(best);
  float total = 0.f;
#pragma unroll
  for (int i = 0; i < PER_LANE; ++i) {
    v[i] = __expf(v[i] - best);
    if (i * 32 + lane < COLS) total += v[i];
  }
  total = warp_sum(total);
#pragma unroll
  for (int i = 0; i < PER_LANE; ++i) {
    const int c = i * 32 + lane;
    if (c < COLS) y[c] = __fdividef(v[i], total);
  }
}
