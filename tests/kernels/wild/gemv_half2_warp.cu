// y = W x with half weights: a warp a row, half2 loads, float accumulators.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#define WARPS_PER_BLOCK 4

__global__ void gemv_fp16(const half* __restrict__ W, const half* __restrict__ x,
                          float* __restrict__ y, int rows, int cols) {
  const int warp_id = threadIdx.x >> 5;
  const int lane_id = threadIdx.x & 31;
  const int row = blockIdx.x * WARPS_PER_BLOCK + warp_id;
  if (row >= rows) return;

  const half2* w2 = reinterpret_cast<const half2*>(W + (size_t)row * cols);
  const half2* x2 = reinterpret_cast<const half2*>(x);
  float sum = 0.0f;
#pragma unroll 4
  for (int i = lane_id; i < cols / 2; i += 32) {
    const half2 p = __hmul2(w2[i], x2[i]);
    sum += __low2float(p) + __high2float(p);
  }
  for (int d = 16; d > 0; d >>= 1) sum += __shfl_down_sync(0xffffffff, sum, d);
  if (lane_id == 0) y[row] = sum;
}
