// The block size is a template argument: every level of the tree is a branch that the compiler
// decides, and the last 32 values are summed by shuffles.
#include <cuda_runtime.h>

template <unsigned WIDTH, unsigned BLOCK, typename T>
__device__ __forceinline__ void fold(T *tree, unsigned t) {
  if (BLOCK >= 2 * WIDTH) {
    if (t < WIDTH) tree[t] += tree[t + WIDTH];
    __syncthreads();
  }
}

template <typename T, unsigned BLOCK>
__device__ T tree_sum(T *tree, unsigned t) {
  fold<256, BLOCK>(tree, t);
  fold<128, BLOCK>(tree, t);
  fold<64, BLOCK>(tree, t);
  fold<32, BLOCK>(tree, t);

  T last = T(0);
  if (t < 32) {
    last = tree[t];
#pragma unroll
    for (int gap = 16; gap > 0; gap /= 2) last += __shfl_down_sync(0xffffffffu, last, gap);
  }
  return last;
}

// Every thread adds up pairs of elements a grid apart before the tree starts; two elements a turn
// keep more loads in flight.
template <typename T, unsigned BLOCK>
__global__ void partial_sums(const T *x, T *partial, unsigned n) {
  __shared__ T tree[BLOCK];

  const unsigned t = threadIdx.x;
  const unsigned hop = 2 * BLOCK * gridDim.x;

  T mine = T(0);
  for (unsigned i = 2 * BLOCK * blockIdx.x + t; i < n; i += hop) {
    mine += x[i];
    if (i + BLOCK < n) mine += x[i + BLOCK];
  }
  tree[t] = mine;
  __syncthreads();

  mine = tree_sum<T, BLOCK>(tree, t);
  if (t == 0) partial[blockIdx.x] = mine;
}
