// A block an output pixel: its window is staged in shared memory, each thread makes a channel of it.
#include <cuda_runtime.h>

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
#define WINDOW (KH * KW * CI)

__global__ void __launch_bounds__(CO) conv2d_shared(const float* __restrict__ x, const float* __restrict__ w,
                                                    float* __restrict__ y) {
  __shared__ __align__(16) float window[WINDOW];
  const int oh = blockIdx.y, ow = blockIdx.x, n = blockIdx.z;
  for (int e = threadIdx.x; e < WINDOW; e += CO) {
    const int ci = e % CI, kw = e / CI % KW, kh = e / CI / KW;
    window[e] = x[n * (H * W * CI) + (oh * STRIDE + kh) * (W * CI) + (ow * STRIDE + kw) * CI + ci];
  }
  __syncthreads();

  const float4* filter = reinterpret_cast<const float4*>(w + threadIdx.x * WINDOW);
  float acc0 = 0.f, acc1 = 0.f;
  for (int e = 0; e < WINDOW / 4; ++e) {
    const float4 f = filter[e];
    const float4 v = *reinterpret_cast<const float4*>(&window[4 * e]);
    acc0 += f.x * v.x + f.z * v.z;
    acc1 += f.y * v.y + f.w * v.w;
  }
  y[((n * OH + oh) * OW + ow) * CO + threadIdx.x] = acc0 + acc1;
}
