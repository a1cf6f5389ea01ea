// Tiles of 16 x 16 in shared memory, a batch a z.
#include <cuda_fp16.h>

#define BATCH 1
#define M 128
#define K 128
#define N 128
#define TILE 16

__global__ void bmm(const __half* A, const __half* B, float* C) {
    __shared__ float sa[TILE][TILE];
    __shared__ float sb[TILE][TILE];
    const int tx = threadIdx.x, ty = threadIdx.y;
    const int row = blockIdx.y * TILE + ty;
    const int col = blockIdx.x * TILE + tx;
    const __half* a = A + (size_t)blockIdx.z * M * K;
    const __half* b = B + (size_t)blockIdx.z * K * N;

    float acc = 0.0f;
    for (int t = 0; t < K / TILE; ++t) {
        sa[ty][tx] = __half2float(a[row * K + t * TILE + tx]);
        sb[ty][tx] = __half2float(b[(t * TILE + ty) * N + col]);
        __syncthreads();
        for (int k = 0; k < TILE; ++k) acc += sa[ty][k] * sb[k][tx];
        __syncthreads();
    }
    C[((size_t)blockIdx.z * M + row) * N + col] = acc;
}
