// int8 GEMM with an epilogue: A (m, k) times B^T (n, k), four bytes at a time by __dp4a, scales per
// row of A and per column of the result. k is a multiple of 4.
#include <cuda_runtime.h>
#include <stdint.h>

#define TS 16

__global__ void w8a8_gemm(const int8_t *__restrict__ A, const int8_t *__restrict__ B,
                          const float *__restrict__ scale_a, const float *__restrict__ scale_b,
                          const float *__restrict__ bias, float *__restrict__ C, int m, int n, int k)
{
    __shared__ int sa[TS][TS + 1];
    __shared__ int sb[TS][TS + 1];

    const int words = k / 4;
    const int *a32 = reinterpret_cast<const int *>(A);
    const int *b32 = reinterpret_cast<const int *>(B);
    const int row = blockIdx.y * TS + threadIdx.y;
    const int col = blockIdx.x * TS + threadIdx.x;
    const int b_row = blockIdx.x * TS + threadIdx.y;

    int acc = 0;
    for (int base = 0; base < words; base += TS) {
        const int w = base + threadIdx.x;
        sa[threadIdx.y][threadIdx.x] = (row < m && w < words) ? a32[row * words + w] : 0;
        sb[threadIdx.y][threadIdx.x] = (b_row < n && w < words) ? b32[b_row * words + w] : 0;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < TS; ++i) acc = __dp4a(sa[threadIdx.y][i], sb[threadIdx.x][i], acc);
        __syncthreads();
    }

    if (row < m && col < n)
        C[row * n + col] = __fmaf_rn((float)acc, scale_a[row] * scale_b[col], bias[col]);
}
