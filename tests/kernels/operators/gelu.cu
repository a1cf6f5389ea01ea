// Exact GELU by the error function.
#include <cuda_runtime.h>

#define N 60

__device__ __forceinline__ float gelu_of(float v) {
  return 0.5f * v * (1.0f + erff(v * 0.70710678118654752440f));
}

__global__ void gelu(const float* __restrict__ x, float* __restrict__ y) {
  const unsigned int i = threadIdx.x + blockIdx.x * blockDim.x;
  if (i >= N) return;
  y[i] = gelu_of(__ldg(x + i));
}
