// Y = silu(X A) * (X B): an element a thread.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#define M 32
#define K 64
#define N 64

__device__ inline float silu(float v) { return v / (1.0f + expf(-v)); }

__global__ void gatemlp(const half* X, const half* A, const half* B, float* Y) {
    const int n = blockIdx.x * blockDim.x + threadIdx.x;
    const int m = blockIdx.y;
    if (n >= N) return;
    float gate = 0.0f, up = 0.0f;
    for (int k = 0; k < K; ++k) {
        const float x = __half2float(X[m * K + k]);
        gate += x * __half2float(A[k * N + n]);
        up += x * __half2float(B[k * N + n]);
    }
    Y[m * N + n] = silu(gate) * up;
}
