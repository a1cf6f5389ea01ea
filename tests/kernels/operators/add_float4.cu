// c = a + b in vectors of four, the rest by the first threads.
#include <cuda_runtime.h>

#define N 64

__global__ __launch_bounds__(128) void add_float4(const float* __restrict__ a,
                                                  const float* __restrict__ b,
                                                  float* __restrict__ c) {
  const int vectors = N / 4;
  const int tid = blockIdx.x * 128 + threadIdx.x;
  for (int v = tid; v < vectors; v += gridDim.x * 128) {
    const float4 p = reinterpret_cast<const float4*>(a)[v];
    const float4 q = reinterpret_cast<const float4*>(b)[v];
    reinterpret_cast<float4*>(c)[v] = make_float4(p.x + q.x, p.y + q.y, p.z + q.z, p.w + q.w);
  }
  const int rest = vectors * 4 + tid;
  if (rest < N) c[rest] = a[rest] + b[rest];
}
