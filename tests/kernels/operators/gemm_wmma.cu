// A warp a 16 x 16 tile of C, on tensor cores.
#include <mma.h>
#include <cuda_fp16.h>

#define M 32
#define K 32
#define N 128

using namespace nvcuda;

__global__ void gemm_wmma(const half* A, const half* B, float* C) {
    const int tile_m = blockIdx.y * 16;
    const int tile_n = blockIdx.x * 16;

    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> a;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> b;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> c;
    wmma::fill_fragment(c, 0.0f);

    for (int k = 0; k < K; k += 16) {
        wmma::load_matrix_sync(a, A + tile_m * K + k, K);
        wmma::load_matrix_sync(b, B + k * N + tile_n, N);
        wmma::mma_sync(c, a, b, c);
    }
    wmma::store_matrix_sync(C + tile_m * N + tile_n, c, N, wmma::mem_row_major);
}
