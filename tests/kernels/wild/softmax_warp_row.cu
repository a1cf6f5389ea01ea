// Softmax for short rows: a warp holds a whole row in registers. blockDim = (32, rows per block).
#include <cuda_runtime.h>
#include <limits>

template <typename T> struct MaxOp {
  __device__ T operator()(T a, T b) const { return a < b ? b : a; }
};
template <typename T> struct SumOp {
  __device__ T operator()(T a, T b) const { return a + b; }
};

template <template <typename> class Op, typename T>
__device__ __forceinline__ T warp_all_reduce(T val) {
  for (int mask = 16; mask > 0; mask /= 2) {
    val = Op<T>()(val, __shfl_xor_sync(0xffffffff, val, mask));
  }
  return val;
}

template <typename T, int COLS_PER_LANE, bool LOG>
__global__ void softmax_warp(T *dst, const T *src, const int rows, const int cols) {
  const int row = blockIdx.x * blockDim.y + threadIdx.y;
  if (row >= rows) return;

  T buf[COLS_PER_LANE];
  T thread_max = -std::numeric_limits<T>::infinity();

#pragma unroll
  for (int i = 0; i < COLS_PER_LANE; ++i) {
    const int col = i * 32 + threadIdx.x;
    buf[i] = col < cols ? src[row * cols + col] : -std::numeric_limits<T>::infinity();
    thread_max = max(thread_max, buf[i]);
  }
  const T warp_max = warp_all_reduce<MaxOp, T>(thread_max);

  T thread_sum = 0;
#pragma unroll
  for (int i = 0; i < COLS_PER_LANE; ++i) {
    buf[i] -= warp_max;
    if (LOG) {
      thread_sum += expf(buf[i]);
    } else {
      buf[i] = expf(buf[i]);
      thread_sum += buf[i];
    }
  }
  const T warp_sum = warp_all_reduce<SumOp, T>(thread_sum);

#pragma unroll
  for (int i = 0; i < COLS_PER_LANE; ++i) {
    const int col = i * 32 + threadIdx.x;
    if (col < cols) dst[row * cols + col] = LOG ? buf[i] - logf(warp_sum) : buf[i] / warp_sum;
  }
}
