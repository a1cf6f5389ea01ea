// First add during load: half the blocks, every thread has work in the first step.
#include <cuda_runtime.h>

typedef unsigned int uint;

__global__ void sum_first_add(const int *in, int *out, uint n) {
  extern __shared__ int partial[];

  const uint tid = threadIdx.x;
  const uint i = blockIdx.x * (blockDim.x * 2) + threadIdx.x;

  int mine = (i < n) ? in[i] : 0;
  if (i + blockDim.x < n) mine += in[i + blockDim.x];
  partial[tid] = mine;
  __syncthreads();

  for (uint s = blockDim.x / 2; s > 0; s >>= 1) {
    if (tid < s) partial[tid] = mine = mine + partial[tid + s];
    __syncthreads();
  }

  if (tid == 0) out[blockIdx.x] = mine;
}
