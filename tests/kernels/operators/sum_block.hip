#include <hip/hip_runtime.h>

#define OUTER 1
#define AXIS 64
#define INNER 1

template <int WAVES>
__device__ float block_sum(float v) {
  __shared__ float waves[WAVES];
  for (int offset = warpSize / 2; offset > 0; offset >>= 1) v += __shfl_down(v, offset);
  if (threadIdx.x % warpSize == 0) waves[threadIdx.x / warpSize] = v;
  __syncthreads();
  v = threadIdx.x < WAVES ? waves[threadIdx.x] : 0.0f;
  for (int offset = WAVES / 2; offset > 0; offset >>= 1) v += __shfl_down(v, offset, WAVES);
  return v;
}

// A block of four waves an output; its first work item has the sum.
__global__ __launch_bounds__(256) void sum_block(const float* __restrict__ x, float* __restrict__ y) {
  const float* line = x + blockIdx.y * (AXIS * INNER) + blockIdx.x;
  float v = 0.0f;
  for (int k = threadIdx.x; k < AXIS; k += 256) v += line[k * INNER];
  v = block_sum<4>(v);
  if (threadIdx.x == 0) y[blockIdx.y * INNER + blockIdx.x] = v;
}
