// General permutation of a 4-D tensor: thread i finds its element's coordinates in the output and
// gathers with the strides of the input, given in the order of the output's dimensions.
#include <cuda_runtime.h>
#include <cstdint>

struct Index4 {
  int64_t i0, i1, i2, i3;
};

__device__ __forceinline__ Index4 unravel(int64_t linear, int64_t d1, int64_t d2, int64_t d3) {
  Index4 idx;
  idx.i3 = linear % d3;
  linear /= d3;
  idx.i2 = linear % d2;
  linear /= d2;
  idx.i1 = linear % d1;
  idx.i0 = linear / d1;
  return idx;
}

__global__ void permute4d_kernel(const float* __restrict__ src, float* __restrict__ dst,
                                 int64_t count, int64_t d1, int64_t d2, int64_t d3, int64_t s0,
                                 int64_t s1, int64_t s2, int64_t s3) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const Index4 at = unravel(i, d1, d2, d3);
  dst[i] = src[at.i0 * s0 + at.i1 * s1 + at.i2 * s2 + at.i3 * s3];
}
