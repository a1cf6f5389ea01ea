// The block size is a template argument, so that the whole tree unrolls at compile time.
#include <cuda_runtime.h>

template <typename T, unsigned int blockSize>
__device__ __forceinline__ void reduce_block(T *sdata, unsigned int tid) {
  if (blockSize >= 512) { if (tid < 256) { sdata[tid] += sdata[tid + 256]; } __syncthreads(); }
  if (blockSize >= 256) { if (tid < 128) { sdata[tid] += sdata[tid + 128]; } __syncthreads(); }
  if (blockSize >= 128) { if (tid <  64) { sdata[tid] += sdata[tid +  64]; } __syncthreads(); }

  if (tid < 32) {
    T sum = sdata[tid];
    if (blockSize >= 64) sum += sdata[tid + 32];
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) {
      sum += __shfl_down_sync(0xffffffffu, sum, offset);
    }
    if (tid == 0) sdata[0] = sum;
  }
}

// Brent's theorem: every thread adds several elements before the tree starts.
template <typename T, unsigned int blockSize>
__global__ void reduce_unrolled(const T *g_idata, T *g_odata, unsigned int n) {
  __shared__ T sdata[blockSize];

  unsigned int tid = threadIdx.x;
  unsigned int i = blockIdx.x * (blockSize * 2) + tid;
  const unsigned int gridSize = blockSize * 2 * gridDim.x;

  T sum = 0;
  while (i < n) {
    sum += g_idata[i];
    if (i + blockSize < n) sum += g_idata[i + blockSize];
    i += gridSize;
  }
  sdata[tid] = sum;
  __syncthreads();

  reduce_block<T, blockSize>(sdata, tid);
  if (tid == 0) g_odata[blockIdx.x] = sdata[0];
}
