// A row a warp: lanes step through it, then add up by shuffles. x is staged once a block.
#include <cuda_runtime.h>

#define M 3
#define N 16
#define WARPS 4

__global__ __launch_bounds__(32 * WARPS) void gemv_warp(const float* __restrict__ A, const float* __restrict__ x,
                                                        float* __restrict__ y) {
  __shared__ float xs[N];
  for (int j = threadIdx.x; j < N; j += 32 * WARPS) xs[j] = x[j];
  __syncthreads();

  const int lane = threadIdx.x % warpSize;
  const int row = blockIdx.x * WARPS + threadIdx.x / warpSize;
  if (row < M) {
    float sum = 0.f;
    for (int j = lane; j < N; j += warpSize) sum = fmaf(A[row * N + j], xs[j], sum);
    for (int delta = 16; delta > 0; delta /= 2) sum += __shfl_down_sync(0xffffffffu, sum, delta);
    if (lane == 0) y[row] = sum;
  }
}
