#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

#define M 32
#define K 32
#define N 128
#define BM 32
#define BN 64
#define BK 8

// 32 x 64 of C a wave: 4 x 8 sums a work item, operands widened into LDS, the next ones fetched into
// registers while these are used.
__global__ __launch_bounds__(64) void gemm_register_tile(const __half* __restrict__ A, const __half* __restrict__ B,
                                                         float* __restrict__ C) {
  __shared__ float sa[BK][BM];
  __shared__ float sb[BK][BN];
  const int t = threadIdx.x;
  const int ty = t / 8, tx = t % 8;
  const __half* a = A + blockIdx.y * BM * K;
  const __half* b = B + blockIdx.x * BN;

  __half next_a[BM * BK / 64], next_b[BK * BN / 64];
#pragma unroll
  for (int i = 0; i < BM * BK / 64; ++i) next_a[i] = a[(i * 8 + t / BK) * K + t % BK];
#pragma unroll
  for (int i = 0; i < BK; ++i) next_b[i] = b[i * N + t];

  float acc[4][8];
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 8; ++j) acc[i][j] = 0.0f;

  for (int k0 = 0; k0 < K; k0 += BK) {
#pragma unroll
    for (int i = 0; i < BM * BK / 64; ++i) sa[t % BK][i * 8 + t / BK] = __half2float(next_a[i]);
#pragma unroll
    for (int i = 0; i < BK; ++i) sb[i][t] = __half2float(next_b[i]);
    __syncthreads();
    if (k0 + BK < K) {
#pragma unroll
      for (int i = 0; i < BM * BK / 64; ++i) next_a[i] = a[(i * 8 + t / BK) * K + k0 + BK + t % BK];
#pragma unroll
      for (int i = 0; i < BK; ++i) next_b[i] = b[(k0 + BK + i) * N + t];
    }
#pragma unroll
    for (int k = 0; k < BK; ++k) {
      for (int i = 0; i < 4; ++i) {
        const float left = sa[k][ty * 4 + i];
        for (int j = 0; j < 8; ++j) acc[i][j] = fmaf(left, sb[k][tx + 8 * j], acc[i][j]);
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 8; ++j) C[(blockIdx.y * BM + ty * 4 + i) * N + blockIdx.x * BN + tx + 8 * j] = acc[i][j];
}
