/*
 * C = alpha * A * B + beta * C, row-major, A (m x k), B (k x n).
 * One thread an element; x runs along columns so that a warp reads consecutive words of B.
 */
#include <cuda_runtime.h>

__global__ void sgemm_reference(const float *A, const float *B, float *C, int m, int n, int k,
                                float alpha, float beta)
{
    int col = blockIdx.x * blockDim.x + threadIdx.x;
    int row = blockIdx.y * blockDim.y + threadIdx.y;

    if (row >= m || col >= n)
        return;

    float dot = 0.0;
    for (int p = 0; p < k; ++p)
        dot += A[row * k + p] * B[p * n + col];

    C[row * n + col] = alpha * dot + beta * C[row * n + col];
}
