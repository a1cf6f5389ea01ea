// Both products of a 16 x 16 tile in one warp; the gate is applied in the fragments themselves, whose
// elements correspond.
#include <cuda_fp16.h>
#include <mma.h>

#define M 32
#define K 64
#define N 64

using namespace nvcuda;

typedef wmma::fragment<wmma::accumulator, 16, 16, 16, float> Sum;

__global__ void gatemlp_wmma(const half* X, const half* A, const half* B, float* Y) {
  const int warps_per_block = blockDim.x / 32;
  const int tile = blockIdx.x * warps_per_block + threadIdx.x / 32;
  const int row = tile / (N / 16) * 16;
  const int col = tile % (N / 16) * 16;
  if (row >= M) return;

  Sum gate, up;
  wmma::fill_fragment(gate, 0.0f);
  wmma::fill_fragment(up, 0.0f);
  for (int k = 0; k < K; k += 16) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> x;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> w;
    wmma::load_matrix_sync(x, X + row * K + k, K);
    wmma::load_matrix_sync(w, A + k * N + col, N);
    wmma::mma_sync(gate, x, w, gate);
    wmma::load_matrix_sync(w, B + k * N + col, N);
    wmma::mma_sync(up, x, w, up);
  }
  for (int i = 0; i < gate.num_elements; ++i) {
    const float g = gate.x[i];
    up.x[i] *= g / (1.0f + __expf(-g));
  }
  wmma::store_matrix_sync(Y + row * N + col, up, N, wmma::mem_row_major);
}
