// An element of C a thread, float sums of half products.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#define M 32
#define K 32
#define N 128

__global__ void gemm(const half *A, const half *B, float *C) {
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    int col = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < M && col < N) {
        float sum = 0.0f;
        for (int k = 0; k < K; k++) {
            sum += __half2float(A[row * K + k]) * __half2float(B[k * N + col]);
        }
        C[row * N + col] = sum;
    }
}
