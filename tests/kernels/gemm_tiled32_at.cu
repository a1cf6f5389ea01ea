// C = alpha * A^T B + beta * C through 32 x 32 tiles; A is stored k x m.
#include <cuda_runtime.h>
#include <vector>

constexpr int T = 32;

__global__ void gemm_tn(int M, int N, int K, float alpha, const float* A, int lda, const float* B,
                        int ldb, float beta, float* C, int ldc) {
    __shared__ float As[T][T];
    __shared__ float Bs[T][T];
    const int tx = threadIdx.x, ty = threadIdx.y;
    const int m = blockIdx.y * T + ty, n = blockIdx.x * T + tx;
    float acc = 0.f;
    for (int k0 = 0; k0 < K; k0 += T) {
        const int am = blockIdx.y * T + tx;
        As[ty][tx] = (k0 + ty < K && am < M) ? A[(k0 + ty) * lda + am] : 0.f;
        Bs[ty][tx] = (k0 + ty < K && n < N) ? B[(k0 + ty) * ldb + n] : 0.f;
        __syncthreads();
        for (int k = 0; k < T; ++k) acc = fmaf(As[k][ty], Bs[k][tx], acc);
        __syncthreads();
    }
    if (m < M && n < N) {
        float* c = C + m * ldc + n;
        *c = alpha * acc + beta * *c;
    }
}

int main() {
    const int M = 70, N = 90, K = 50;
    std::vector<float> A(K * M), B(K * N), C(M * N);
    float *dA, *dB, *dC;
    cudaMalloc(&dA, A.size() * sizeof(float));
    cudaMalloc(&dB, B.size() * sizeof(float));
    cudaMalloc(&dC, C.size() * sizeof(float));
    cudaMemcpy(dA, A.data(), A.size() * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(dB, B.data(), B.size() * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(dC, C.data(), C.size() * sizeof(float), cudaMemcpyHostToDevice);
    gemm_tn<<<dim3((N + T - 1) / T, (M + T - 1) / T), dim3(T, T)>>>(M, N, K, 1.5f, dA, M, dB, N, -0.5f, dC, N);
    cudaMemcpy(C.data(), dC, C.size() * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
