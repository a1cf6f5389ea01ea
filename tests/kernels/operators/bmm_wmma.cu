// Four warps a block, each a 32 x 16 tile of one batch's C: two fragments of A share one of B.
#include <cuda_fp16.h>
#include <mma.h>

#define BATCH 1
#define M 128
#define K 128
#define N 128
#define WARPS 4

namespace wm = nvcuda::wmma;

__global__ void bmm_wmma(const half* __restrict__ A, const half* __restrict__ B, float* __restrict__ C) {
  const int tiles_n = N / 16;
  const int tiles = BATCH * (M / 32) * tiles_n;
  const int tile = blockIdx.x * WARPS + threadIdx.y;
  if (tile >= tiles) return;
  const int batch = tile / (tiles / BATCH);
  const int within = tile % (tiles / BATCH);
  const int i = within / tiles_n * 32;
  const int j = within % tiles_n * 16;

  const half* a_tile = A + batch * M * K + i * K;
  const half* b_tile = B + batch * K * N + j;
  wm::fragment<wm::accumulator, 16, 16, 16, float> top, bottom;
  wm::fill_fragment(top, 0.0f);
  wm::fill_fragment(bottom, 0.0f);
  wm::fragment<wm::matrix_a, 16, 16, 16, half, wm::row_major> upper, lower;
  wm::fragment<wm::matrix_b, 16, 16, 16, half, wm::row_major> right;
  for (int k = 0; k < K; k += 16) {
    wm::load_matrix_sync(right, b_tile + k * N, N);
    wm::load_matrix_sync(upper, a_tile + k, K);
    wm::load_matrix_sync(lower, a_tile + 16 * K + k, K);
    wm::mma_sync(top, upper, right, top);
    wm::mma_sync(bottom, lower, right, bottom);
  }
  float* c_tile = C + batch * M * N + i * N + j;
  wm::store_matrix_sync(c_tile, top, N, wm::mem_row_major);
  wm::store_matrix_sync(c_tile + 16 * N, bottom, N, wm::mem_row_major);
}
