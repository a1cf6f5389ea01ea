#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

#define M 32
#define K 32
#define N 128
#define TILE 16

// Tiles in LDS, which stay halves; sums are floats.
__global__ void gemm(const __half* A, const __half* B, float* C) {
  __shared__ __half lds_a[TILE * TILE];
  __shared__ __half lds_b[TILE * TILE];
  const int x = hipThreadIdx_x, y = hipThreadIdx_y;
  const int row = hipBlockIdx_y * TILE + y;
  const int col = hipBlockIdx_x * TILE + x;
  float sum = 0.0f;
  for (int k0 = 0; k0 < K; k0 += TILE) {
    lds_a[y * TILE + x] = row < M ? A[row * K + k0 + x] : __float2half(0.0f);
    lds_b[y * TILE + x] = col < N ? B[(k0 + y) * N + col] : __float2half(0.0f);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < TILE; ++k) {
      sum += __half2float(lds_a[y * TILE + k]) * __half2float(lds_b[k * TILE + x]);
    }
    __syncthreads();
  }
  if (row < M && col < N) C[row * N + col] = sum;
}
