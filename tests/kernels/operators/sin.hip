#include <hip/hip_runtime.h>

#define N 832
#define WAVE 64
#define PER_LANE 4

// A wave takes a run of 256 elements, a lane every 64th of them.
__global__ void sin_kernel(const float* __restrict__ x, float* __restrict__ y) {
  const int wave = (blockIdx.x * blockDim.x + threadIdx.x) / WAVE;
  const int lane = threadIdx.x & (WAVE - 1);
  const int start = wave * (WAVE * PER_LANE) + lane;
#pragma unroll
  for (int k = 0; k < PER_LANE; ++k) {
    const int i = start + k * WAVE;
    if (i < N) y[i] = sinf(x[i]);
  }
}
