// Four channels a thread as a vector: C is a multiple of four.
#include <cuda_runtime.h>

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
#define C4 (C / 4)

__global__ __launch_bounds__(128) void sumpool(const float4* __restrict__ x, float4* __restrict__ y) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (i >= N * OH * OW * C4) return;
  const int c = i % C4;
  const int pixel = i / C4;
  const int ow = pixel % OW, oh = pixel / OW % OH, n = pixel / (OW * OH);
  const float4* window = x + ((n * H + oh * SH) * W + ow * SW) * C4 + c;
  float4 sum = make_float4(0.f, 0.f, 0.f, 0.f);
#pragma unroll
  for (int kh = 0; kh < KH; ++kh) {
#pragma unroll
    for (int kw = 0; kw < KW; ++kw) {
      const float4 v = window[(kh * W + kw) * C4];
      sum.x += v.x;
      sum.y += v.y;
      sum.z += v.z;
      sum.w += v.w;
    }
  }
  y[i] = sum;
}
