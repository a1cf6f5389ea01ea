// Each thread computes 4 x 4 elements of C in registers; 64 x 64 block tiles, k in steps of 8.
#include <cuda_runtime.h>

#define BM 64
#define BN 64
#define BK 8
#define TM 4
#define TN 4

__global__ __launch_bounds__(256) void sgemm_reg(const float* A, const float* B, float* C, int M, int N, int K) {
    __shared__ float sa[BM * BK];
    __shared__ float sb[BK * BN];
    const int tid = threadIdx.x;
    const int trow = tid / (BN / TN), tcol = tid % (BN / TN);
    A += blockIdx.y * BM * K;
    B += blockIdx.x * BN;
    C += blockIdx.y * BM * N + blockIdx.x * BN;

    float acc[TM][TN] = {0.0f};
    float ra[TM], rb[TN];
    for (int bk = 0; bk < K; bk += BK) {
        for (int i = tid; i < BM * BK; i += 256) sa[i] = A[(i / BK) * K + i % BK];
        for (int i = tid; i < BK * BN; i += 256) sb[i] = B[(i / BN) * N + i % BN];
        __syncthreads();
        A += BK;
        B += BK * N;
#pragma unroll
        for (int k = 0; k < BK; ++k) {
            for (int i = 0; i < TM; ++i) ra[i] = sa[(trow * TM + i) * BK + k];
            for (int j = 0; j < TN; ++j) rb[j] = sb[k * BN + tcol * TN + j];
            for (int i = 0; i < TM; ++i)
                for (int j = 0; j < TN; ++j) acc[i][j] += ra[i] * rb[j];
        }
        __syncthreads();
    }
    for (int i = 0; i < TM; ++i)
        for (int j = 0; j < TN; ++j) C[(trow * TM + i) * N + tcol * TN + j] = acc[i][j];
}

int main() {
    const int M = 128, N = 192, K = 40;
    float *a, *b, *c;
    float* h = new float[M * N];
    cudaMalloc(&a, M * K * sizeof(float));
    cudaMalloc(&b, K * N * sizeof(float));
    cudaMalloc(&c, M * N * sizeof(float));
    cudaMemcpy(a, h, M * K * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, K * N * sizeof(float), cudaMemcpyHostToDevice);
    sgemm_reg<<<dim3(N / BN, M / BM), 256>>>(a, b, c, M, N, K);
    cudaMemcpy(h, c, M * N * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
