// Tensor cores; the bias is added where the tile passes through shared memory.
#include <cuda_fp16.h>
#include <mma.h>

#define M 16
#define K 64
#define N 64

using namespace nvcuda::wmma;

__global__ void dense(const half* __restrict__ A, const half* __restrict__ B, const float* __restrict__ bias,
                      float* __restrict__ C) {
  __shared__ float tile[16 * 16];
  const int m0 = blockIdx.y * 16, n0 = blockIdx.x * 16;

  fragment<accumulator, 16, 16, 16, float> acc;
  fill_fragment(acc, 0.0f);
  for (int k0 = 0; k0 < K; k0 += 16) {
    fragment<matrix_a, 16, 16, 16, half, row_major> a;
    fragment<matrix_b, 16, 16, 16, half, row_major> b;
    load_matrix_sync(a, A + m0 * K + k0, K);
    load_matrix_sync(b, B + k0 * N + n0, N);
    mma_sync(acc, a, b, acc);
  }
  store_matrix_sync(tile, acc, 16, mem_row_major);
  __syncwarp();
  for (int e = threadIdx.x; e < 256; e += 32) {
    const int i = e / 16, j = e % 16;
    C[(m0 + i) * N + n0 + j] = tile[e] + bias[n0 + j];
  }
}
