// Nested ids: images and filters in the grid, pixels in the block.
#include <cuda_runtime.h>

#define N 16
#define H 8
#define W 8
#define CI 64
#define CO 128
#define KH 2
#define KW 2
#define STRIDE 2
#define OH ((H - KH) / STRIDE + 1)
#define OW ((W - KW) / STRIDE + 1)

__global__ void conv2dnchw(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y) {
  const int n = blockIdx.y, co = blockIdx.x;
  const int oh = threadIdx.y, ow = threadIdx.x;
  const float* image = x + n * CI * H * W;
  const float* filter = w + co * CI * KH * KW;
  float acc = 0.f;
  for (int ci = 0; ci < CI; ++ci) {
#pragma unroll
    for (int kh = 0; kh < KH; ++kh)
#pragma unroll
      for (int kw = 0; kw < KW; ++kw)
        acc += image[(ci * H + oh * STRIDE + kh) * W + ow * STRIDE + kw] * filter[(ci * KH + kh) * KW + kw];
  }
  y[((n * CO + co) * OH + oh) * OW + ow] = acc;
}
