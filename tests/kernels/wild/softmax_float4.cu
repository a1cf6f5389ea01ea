// Vectorised softmax, a block a row; cols is a multiple of 4. The row stays in shared memory
// between the passes.
#include <cuda_runtime.h>

#define FLOAT4(value) (reinterpret_cast<float4*>(&(value))[0])
#define CFLOAT4(value) (reinterpret_cast<const float4*>(&(value))[0])

template <int NUM_THREADS>
__device__ float block_reduce_max(float v, float* staging) {
  constexpr int NUM_WARPS = NUM_THREADS / 32;
#pragma unroll
  for (int m = 16; m >= 1; m >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffff, v, m));
  if (threadIdx.x % 32 == 0) staging[threadIdx.x / 32] = v;
  __syncthreads();
  v = staging[0];
#pragma unroll
  for (int w = 1; w < NUM_WARPS; ++w) v = fmaxf(v, staging[w]);
  __syncthreads();
  return v;
}

template <int NUM_THREADS>
__device__ float block_reduce_sum(float v, float* staging) {
  constexpr int NUM_WARPS = NUM_THREADS / 32;
#pragma unroll
  for (int m = 16; m >= 1; m >>= 1) v += __shfl_xor_sync(0xffffffff, v, m);
  if (threadIdx.x % 32 == 0) staging[threadIdx.x / 32] = v;
  __syncthreads();
  v = 0.0f;
#pragma unroll
  for (int w = 0; w < NUM_WARPS; ++w) v += staging[w];
  __syncthreads();
  return v;
}

template <int NUM_THREADS = 128>
__global__ void softmax_f32x4(const float* __restrict__ x, float* __restrict__ y, int cols) {
  extern __shared__ float4 row[];
  __shared__ float staging[NUM_THREADS / 32];
  const int vecs = cols >> 2;
  const float* src = x + blockIdx.x * cols;
  float* dst = y + blockIdx.x * cols;

  float m = -1e30f;
  for (int i = threadIdx.x; i < vecs; i += NUM_THREADS) {
    const float4 v = CFLOAT4(src[4 * i]);
    row[i] = v;
    m = fmaxf(m, fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)));
  }
  m = block_reduce_max<NUM_THREADS>(m, staging);

  float sum = 0.0f;
  for (int i = threadIdx.x; i < vecs; i += NUM_THREADS) {
    float4 v = row[i];
    v.x = expf(v.x - m);
    v.y = expf(v.y - m);
    v.z = expf(v.z - m);
    v.w = expf(v.w - m);
    row[i] = v;
    sum += v.x + v.y + v.z + v.w;
  }
  const float inv = 1.0f / block_reduce_sum<NUM_THREADS>(sum, staging);

  for (int i = threadIdx.x; i < vecs; i += NUM_THREADS) {
    const float4 v = row[i];
    FLOAT4(dst[4 * i]) = make_float4(v.x * inv, v.y * inv, v.z * inv, v.w * inv);
  }
}
