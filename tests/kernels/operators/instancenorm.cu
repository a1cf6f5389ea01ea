// A block a plane: mean, then the squares of differences from it.
#include <cuda_runtime.h>

#define N 1
#define C 1
#define H 64
#define W 64
#define THREADS 256

__device__ __forceinline__ float reduce_block(float v, float* shared) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) v += __shfl_down_sync(0xffffffffu, v, offset);
  if (lane == 0) shared[warp] = v;
  __syncthreads();
  v = threadIdx.x < THREADS / 32 ? shared[lane] : 0.0f;
  if (warp == 0) {
#pragma unroll
    for (int offset = 16; offset > 0; offset >>= 1) v += __shfl_down_sync(0xffffffffu, v, offset);
    if (lane == 0) shared[0] = v;
  }
  __syncthreads();
  v = shared[0];
  __syncthreads();
  return v;
}

__global__ void __launch_bounds__(THREADS) instancenorm(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float shared[THREADS / 32];
  const int plane = blockIdx.x;
  const float* in = x + plane * (H * W);
  float* out = y + plane * (H * W);

  float sum = 0.0f;
  for (int i = threadIdx.x; i < H * W; i += THREADS) sum += in[i];
  const float mean = reduce_block(sum, shared) * (1.0f / (H * W));
  float squares = 0.0f;
  for (int i = threadIdx.x; i < H * W; i += THREADS) squares += (in[i] - mean) * (in[i] - mean);
  const float inverse = rsqrtf(reduce_block(squares, shared) * (1.0f / (H * W)) + 1e-5f);
  for (int i = threadIdx.x; i < H * W; i += THREADS) out[i] = (in[i] - mean) * inverse;
}
