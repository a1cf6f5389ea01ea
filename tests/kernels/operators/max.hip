#include <hip/hip_runtime.h>

#define OUTER 1
#define AXIS 64
#define INNER 1
#define BLOCK 256

// A block an output, a tree in LDS down to one.
__global__ __launch_bounds__(BLOCK) void max_kernel(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float lds[BLOCK];
  const int tid = threadIdx.x;
  const float* line = x + blockIdx.y * (AXIS * INNER) + blockIdx.x;
  float v = -INFINITY;
  for (int k = tid; k < AXIS; k += BLOCK) v = fmaxf(v, line[k * INNER]);
  lds[tid] = v;
  __syncthreads();
  for (int step = 1; step < BLOCK; step *= 2) {
    if (tid % (2 * step) == 0) lds[tid] = fmaxf(lds[tid], lds[tid + step]);
    __syncthreads();
  }
  if (tid == 0) y[blockIdx.y * INNER + blockIdx.x] = lds[0];
}
