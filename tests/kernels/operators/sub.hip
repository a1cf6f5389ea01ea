#include <hip/hip_runtime.h>

#define N 64

// A grid-stride loop with the length as an argument and 64-bit indices.
template <typename T>
__device__ inline void subtract(T* __restrict__ out, const T* __restrict__ left, const T* __restrict__ right, size_t n) {
  const size_t stride = (size_t)gridDim.x * blockDim.x;
  for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride) {
    out[i] = left[i] - right[i];
  }
}

extern "C" __global__ void sub(const float* a, const float* b, float* c, unsigned int n) {
  subtract<float>(c, a, b, n);
}
