// A grid of two dimensions over a flat array.
#include <cuda_runtime.h>

#define N 832

__global__ void sin_kernel(const float* __restrict__ x, float* __restrict__ y, int n) {
  const int block = blockIdx.y * gridDim.x + blockIdx.x;
  const int thread = threadIdx.y * blockDim.x + threadIdx.x;
  const int i = block * (blockDim.x * blockDim.y) + thread;
  if (i < n) y[i] = sinf(x[i]);
}
