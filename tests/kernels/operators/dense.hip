#include <hip/hip_fp16.h>
#include <rocwmma/rocwmma.hpp>

#define M 16
#define K 64
#define N 64

// rocWMMA: a wave a 16 x 16 tile, which passes through LDS for its bias.
__global__ __launch_bounds__(64) void dense(const __half* A, const __half* B, const float* bias, float* C) {
  __shared__ float tile[16 * 16];
  const int m = blockIdx.y * 16, n = blockIdx.x * 16;
  rocwmma::fragment<rocwmma::matrix_a, 16, 16, 16, __half, rocwmma::row_major> a;
  rocwmma::fragment<rocwmma::matrix_b, 16, 16, 16, __half, rocwmma::row_major> b;
  rocwmma::fragment<rocwmma::accumulator, 16, 16, 16, float> acc;

  rocwmma::fill_fragment(acc, 0.0f);
  for (int k = 0; k < K; k += 16) {
    rocwmma::load_matrix_sync(a, A + m * K + k, K);
    rocwmma::load_matrix_sync(b, B + k * N + n, N);
    rocwmma::mma_sync(acc, a, b, acc);
  }
  rocwmma::store_matrix_sync(tile, acc, 16, rocwmma::mem_row_major);
  __syncthreads();
  const int j = threadIdx.x % 16;
  for (int i = threadIdx.x / 16; i < 16; i += 4) C[(m + i) * N + n + j] = tile[i * 16 + j] + bias[n + j];
}
