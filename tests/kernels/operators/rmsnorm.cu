// A block a row, vectors of four, warps joined through shared memory.
#include <cuda_runtime.h>

#define ROWS 2048
#define D 2048
#define THREADS 256

__global__ __launch_bounds__(THREADS) void rmsnorm(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float warps[THREADS / 32];
  const float4* in = reinterpret_cast<const float4*>(x + (size_t)blockIdx.x * D);
  float4* out = reinterpret_cast<float4*>(y + (size_t)blockIdx.x * D);

  float square = 0.f;
  for (int i = threadIdx.x; i < D / 4; i += THREADS) {
    const float4 v = in[i];
    square += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
  }
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) square += __shfl_down_sync(0xffffffff, square, offset);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = square;
  __syncthreads();

  float total = 0.f;
#pragma unroll
  for (int i = 0; i < THREADS / 32; ++i) total += warps[i];
  const float scale = rsqrtf(total / D + 1e-5f);

  for (int i = threadIdx.x; i < D / 4; i += THREADS) {
    float4 v = in[i];
    v.x *= scale;
    v.y *= scale;
    v.z *= scale;
    v.w *= scale;
    out[i] = v;
  }
}
