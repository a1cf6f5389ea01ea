#include <hip/hip_runtime.h>

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
#define CHUNK 16

// An image's channels pass through LDS, 16 at a time; a work item keeps one filter's output pixel.
__global__ __launch_bounds__(256) void conv2dnchw(const float* __restrict__ x, const float* __restrict__ w,
                                                  float* __restrict__ y) {
  __shared__ float planes[CHUNK * H * W];
  const int n = blockIdx.y;
  const int out = blockIdx.x * 256 + threadIdx.x;
  const int co = out / (OH * OW), oh = out % (OH * OW) / OW, ow = out % OW;
  float acc = 0.0f;
  for (int c0 = 0; c0 < CI; c0 += CHUNK) {
    __syncthreads();
    for (int e = threadIdx.x; e < CHUNK * H * W; e += 256) planes[e] = x[(n * CI + c0) * (H * W) + e];
    __syncthreads();
    if (co < CO) {
      const float* filter = w + (co * CI + c0) * (KH * KW);
      for (int c = 0; c < CHUNK; ++c)
        for (int k = 0; k < KH * KW; ++k)
          acc += planes[c * (H * W) + (oh * STRIDE + k / KW) * W + ow * STRIDE + k % KW] * filter[c * (KH * KW) + k];
    }
  }
  if (co < CO) y[n * (CO * OH * OW) + out] = acc;
}
