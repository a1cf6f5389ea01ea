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

// Lanes are channels; y and z of the grid are the output's rows and columns of all images.
__global__ __launch_bounds__(64) void maxpool(const float* __restrict__ x, float* __restrict__ y) {
  const int c = blockIdx.x * 64 + threadIdx.x;
  const int n = blockIdx.y / OH, oh = blockIdx.y % OH, ow = blockIdx.z;
  if (c >= C) return;
  const float* p = x + ((n * H + oh * SH) * W + ow * SW) * C + c;
  float best = *p;
  for (int i = 0; i < KH; ++i, p += (W - KW) * C)
    for (int j = 0; j < KW; ++j, p += C) best = fmaxf(best, *p);
  y[((n * OH + oh) * OW + ow) * C + c] = best;
}
