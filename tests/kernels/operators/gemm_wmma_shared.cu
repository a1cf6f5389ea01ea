// 32 x 64 of C a block of four warps, each 16 x 32; operands staged in shared memory in steps of 16.
#include <cuda_fp16.h>
#include <mma.h>

#define M 32
#define K 32
#define N 128
#define BM 32
#define BN 64
#define BK 16
#define PAD 8

__global__ void __launch_bounds__(128) gemm_wmma_shared(const half* __restrict__ A, const half* __restrict__ B,
                                                        float* __restrict__ C) {
  using namespace nvcuda::wmma;
  __shared__ half As[BM][BK + PAD];
  __shared__ half Bs[BK][BN + PAD];

  const int warp = threadIdx.x / 32;
  const int warp_m = warp / 2, warp_n = warp % 2;
  const int row0 = blockIdx.y * BM, col0 = blockIdx.x * BN;

  fragment<accumulator, 16, 16, 16, float> acc[2];
  fill_fragment(acc[0], 0.f);
  fill_fragment(acc[1], 0.f);

  for (int k0 = 0; k0 < K; k0 += BK) {
    for (int e = threadIdx.x; e < BM * BK; e += 128)
      As[e / BK][e % BK] = A[(row0 + e / BK) * K + k0 + e % BK];
    for (int e = threadIdx.x; e < BK * BN; e += 128)
      Bs[e / BN][e % BN] = B[(k0 + e / BN) * N + col0 + e % BN];
    __syncthreads();

    fragment<matrix_a, 16, 16, 16, half, row_major> a;
    load_matrix_sync(a, &As[warp_m * 16][0], BK + PAD);
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      fragment<matrix_b, 16, 16, 16, half, row_major> b;
      load_matrix_sync(b, &Bs[0][warp_n * 32 + j * 16], BN + PAD);
      mma_sync(acc[j], a, b, acc[j]);
    }
    __syncthreads();
  }

#pragma unroll
  for (int j = 0; j < 2; ++j)
    store_matrix_sync(&C[(row0 + warp_m * 16) * N + col0 + warp_n * 32 + j * 16], acc[j], N, mem_row_major);
}
