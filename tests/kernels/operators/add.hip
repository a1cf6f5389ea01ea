#include <hip/hip_runtime.h>

#define N 64

// c = a + b, a work item an element.
__global__ void add(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c) {
  const int i = hipBlockDim_x * hipBlockIdx_x + hipThreadIdx_x;
  if (i < N) {
    c[i] = a[i] + b[i];
  }
}
