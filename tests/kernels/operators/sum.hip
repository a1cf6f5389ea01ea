#include <hip/hip_runtime.h>

#define OUTER 1
#define AXIS 64
#define INNER 1

// A wave an output.
__global__ __launch_bounds__(64) void sum(const float* __restrict__ x, float* __restrict__ y) {
  const int outer = blockIdx.x / INNER, inner = blockIdx.x % INNER;
  float v = 0.0f;
  for (int k = threadIdx.x; k < AXIS; k += 64) v += x[(outer * AXIS + k) * INNER + inner];
#pragma unroll
  for (int delta = 32; delta > 0; delta >>= 1) v += __shfl_down(v, delta);
  if (threadIdx.x == 0) y[blockIdx.x] = v;
}
