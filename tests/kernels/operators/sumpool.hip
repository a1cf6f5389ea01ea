#include <hip/hip_runtime.h>

#define N 1
#define H 5
#define W 5
#define C 64
#define KH 5
#define KW 5
#define SH 1
#define SW 1
#define OH ((H - KH) / SH + 1)
#define OW ((W - KW) / SW + 1)

// A block an output pixel: four parts of the window beside each other, joined in LDS.
__global__ __launch_bounds__(256) void sumpool(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float part[4][64];
  const int ow = blockIdx.x % OW, oh = blockIdx.x / OW % OH, n = blockIdx.x / (OW * OH);
  const int lane = threadIdx.x, slice = threadIdx.y;
  for (int c0 = 0; c0 < C; c0 += 64) {
    float sum = 0.0f;
    for (int k = slice; k < KH * KW; k += 4)
      sum += x[((n * H + oh * SH + k / KW) * W + ow * SW + k % KW) * C + c0 + lane];
    part[slice][lane] = sum;
    __syncthreads();
    if (slice == 0)
      y[blockIdx.x * C + c0 + lane] = part[0][lane] + part[1][lane] + part[2][lane] + part[3][lane];
    __syncthreads();
  }
}
