// Solves a lower-triangular system, one thread a right-hand side: each step needs the ones before.
#include <cuda_runtime.h>

__global__ void solve(const float* L, float* X, int n, int m) {
    int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= m) return;
    for (int i = 0; i < n; ++i) {
        float s = X[i * m + j];
        for (int k = 0; k < i; ++k) s -= 0.1f * L[i * n + k] * X[k * m + j];
        X[i * m + j] = s / (2.0f + L[i * n + i]);
    }
}

int main() {
    float *L, *host_L = new float[20*20];
    float *X, *host_X = new float[20*50];
    cudaMalloc(&L, (20*20) * sizeof(float));
    cudaMalloc(&X, (20*50) * sizeof(float));
    cudaMemcpy(L, host_L, (20*20) * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(X, host_X, (20*50) * sizeof(float), cudaMemcpyHostToDevice);
    solve<<<1, 64>>>(L, X, 20, 50);
    cudaMemcpy(host_X, X, (20*50) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
