#include <hip/hip_runtime.h>

#define D0 1
#define D1 24
#define D2 36
#define D3 1

// y[a, c, b, d] = x[a, b, c, d]: a work item reads an element and looks where it goes.
extern "C" __global__ void transpose_flat(const float* __restrict__ x, float* __restrict__ y) {
  const unsigned stride = hipBlockDim_x * hipGridDim_x;
  for (unsigned i = hipBlockIdx_x * hipBlockDim_x + hipThreadIdx_x; i < D0 * D1 * D2 * D3; i += stride) {
    unsigned rest = i;
    const unsigned d = rest % D3;
    rest /= D3;
    const unsigned c = rest % D2;
    rest /= D2;
    const unsigned b = rest % D1;
    const unsigned a = rest / D1;
    y[((a * D2 + c) * D1 + b) * D3 + d] = x[i];
  }
}
