// A row a thread.
#include <cuda_runtime.h>

#define M 3
#define N 16

__global__ void gemv(const float* A, const float* x, float* y) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= M) return;
    float dot = 0.f;
    for (int j = 0; j < N; ++j)
        dot += A[row * N + j] * x[j];
    y[row] = dot;
}
