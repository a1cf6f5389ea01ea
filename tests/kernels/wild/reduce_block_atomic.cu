// Dot product: grid-stride loop, shuffles within warps, then across the block's warps, and one
// atomic a block. `result` is accumulated into; the caller clears it.
#include <cuda_runtime.h>

namespace {

constexpr int kWarp = 32;

template <typename T>
__device__ T warp_sum(T v) {
  for (int delta = kWarp / 2; delta > 0; delta >>= 1) v += __shfl_down_sync(~0u, v, delta);
  return v;
}

template <typename T>
__device__ T block_sum(T v) {
  static __shared__ T per_warp[kWarp];
  const int lane = threadIdx.x & (kWarp - 1);
  const int wid = threadIdx.x / kWarp;

  v = warp_sum(v);
  if (lane == 0) per_warp[wid] = v;
  __syncthreads();

  // Only as many lanes as there are warps hold a value.
  v = threadIdx.x < blockDim.x / kWarp ? per_warp[lane] : T(0);
  if (wid == 0) v = warp_sum(v);
  return v;
}

}  // namespace

__global__ void dot_kernel(int n, const float* __restrict__ x, const float* __restrict__ y,
                           float* result) {
  float local = 0.0f;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) {
    local += x[i] * y[i];
  }
  local = block_sum(local);
  if (threadIdx.x == 0) atomicAdd(result, local);
}
