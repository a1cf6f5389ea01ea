#include <hip/hip_runtime.h>

#define N 16
#define H 8
#define W 8
#define CI 64
#define CO 64
#define KH 2
#define KW 2
#define STRIDE 2
#define OH ((H - KH) / STRIDE + 1)
#define OW ((W - KW) / STRIDE + 1)
#define PIXELS (N * OH * OW)

// A block a filter, which it keeps in LDS; work items are output pixels of all images.
__global__ __launch_bounds__(256) void conv2d_filters(const float* __restrict__ x, const float* __restrict__ w,
                                                      float* __restrict__ y) {
  __shared__ float filter[KH * KW * CI];
  const int co = hipBlockIdx_y;
  for (int e = hipThreadIdx_x; e < KH * KW * CI; e += 256) filter[e] = w[co * (KH * KW * CI) + e];
  __syncthreads();
  const int pixel = hipBlockIdx_x * 256 + hipThreadIdx_x;
  if (pixel >= PIXELS) return;
  const int n = pixel / (OH * OW);
  const int oh = (pixel - n * OH * OW) / OW;
  const int ow = pixel - (n * OH + oh) * OW;
  float sum = 0.0f;
  const float* f = filter;
  for (int kh = 0; kh < KH; ++kh) {
    const float* line = x + ((n * H + oh * STRIDE + kh) * W + ow * STRIDE) * CI;
    for (int e = 0; e < KW * CI; ++e) sum += line[e] * *f++;
  }
  y[pixel * CO + co] = sum;
}
