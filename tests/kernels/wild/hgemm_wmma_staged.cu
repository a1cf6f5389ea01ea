// Tensor-core GEMM: C (float) = A (half) * B (half). Four warps a block, 2 x 2, each a 32 x 32 piece
// of the block's 64 x 64 tile; operands staged in shared memory with padded rows. M, N, K are
// multiples of 64, 64 and 32.
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <mma.h>

using namespace nvcuda;

constexpr int WMMA_M = 16, WMMA_N = 16, WMMA_K = 16;
constexpr int BM = 64, BN = 64, BK = 32;
constexpr int WARP_TILE = 32;
constexpr int SKEW = 8;  // halves; keeps rows on different banks and 16-byte aligned
constexpr int THREADS = 128;

__global__ void __launch_bounds__(THREADS)
hgemm_wmma(const half *__restrict__ A, const half *__restrict__ B, float *__restrict__ C,
           int M, int N, int K) {
  __shared__ __align__(32) half sa[BM][BK + SKEW];
  __shared__ __align__(32) half sb[BK][BN + SKEW];

  const int warp = threadIdx.x / 32;
  const int warp_row = warp / 2, warp_col = warp % 2;
  const int block_row = blockIdx.y * BM, block_col = blockIdx.x * BN;

  wmma::fragment<wmma::accumulator, WMMA_M, WMMA_N, WMMA_K, float> acc[2][2];
#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int j = 0; j < 2; ++j) wmma::fill_fragment(acc[i][j], 0.0f);

  for (int k0 = 0; k0 < K; k0 += BK) {
    // 8 halves at a time
    for (int v = threadIdx.x; v < BM * BK / 8; v += THREADS) {
      const int r = v / (BK / 8), c = v % (BK / 8) * 8;
      *reinterpret_cast<int4 *>(&sa[r][c]) =
          *reinterpret_cast<const int4 *>(&A[(block_row + r) * K + k0 + c]);
    }
    for (int v = threadIdx.x; v < BK * BN / 8; v += THREADS) {
      const int r = v / (BN / 8), c = v % (BN / 8) * 8;
      *reinterpret_cast<int4 *>(&sb[r][c]) =
          *reinterpret_cast<const int4 *>(&B[(k0 + r) * N + block_col + c]);
    }
    __syncthreads();

#pragma unroll
    for (int kk = 0; kk < BK; kk += WMMA_K) {
      wmma::fragment<wmma::matrix_a, WMMA_M, WMMA_N, WMMA_K, half, wmma::row_major> fa[2];
      wmma::fragment<wmma::matrix_b, WMMA_M, WMMA_N, WMMA_K, half, wmma::row_major> fb[2];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        wmma::load_matrix_sync(fa[i], &sa[warp_row * WARP_TILE + i * WMMA_M][kk], BK + SKEW);
        wmma::load_matrix_sync(fb[i], &sb[kk][warp_col * WARP_TILE + i * WMMA_N], BN + SKEW);
      }
#pragma unroll
      for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int j = 0; j < 2; ++j) wmma::mma_sync(acc[i][j], fa[i], fb[j], acc[i][j]);
    }
    __syncthreads();
  }

#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const int row = block_row + warp_row * WARP_TILE + i * WMMA_M;
      const int col = block_col + warp_col * WARP_TILE + j * WMMA_N;
      wmma::store_matrix_sync(&C[row * N + col], acc[i][j], N, wmma::mem_row_major);
    }
}
