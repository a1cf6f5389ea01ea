// cumsum over the last dimension, one block a row. The row is walked in chunks of blockDim.x; each
// chunk is scanned by warps, warp totals by the first warp, and the chunk's total is carried on.
#include <cuda_runtime.h>
#include <cstdint>

namespace scan {

__device__ __forceinline__ float inclusive_warp(float value, int lane) {
#pragma unroll
  for (int offset = 1; offset < 32; offset <<= 1) {
    const float up = __shfl_up_sync(0xFFFFFFFFu, value, offset);
    if (lane >= offset) value += up;
  }
  return value;
}

template <int kThreads>
__global__ void __launch_bounds__(kThreads) cumsum_rows(const float* in, float* out, int64_t cols) {
  constexpr int kWarps = kThreads / 32;
  static_assert(kThreads % 32 == 0 && kWarps <= 32, "whole warps, at most 32 of them");
  __shared__ float warp_totals[kWarps];

  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  in += blockIdx.x * cols;
  out += blockIdx.x * cols;

  float carry = 0.f;
  for (int64_t start = 0; start < cols; start += kThreads) {
    const int64_t col = start + threadIdx.x;
    float value = col < cols ? in[col] : 0.f;

    value = inclusive_warp(value, lane);
    if (lane == 31) warp_totals[warp] = value;
    __syncthreads();

    if (warp == 0) {
      float total = lane < kWarps ? warp_totals[lane] : 0.f;
      total = inclusive_warp(total, lane);
      if (lane < kWarps) warp_totals[lane] = total;
    }
    __syncthreads();

    if (warp > 0) value += warp_totals[warp - 1];
    if (col < cols) out[col] = value + carry;
    carry += warp_totals[kWarps - 1];
    __syncthreads();  // the totals are overwritten in the next round
  }
}

}  // namespace scan
