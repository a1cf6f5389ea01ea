// C = alpha * A * B + beta * C, one thread an element of C.
#include <stdio.h>
#include <stdlib.h>
#include <cuda_runtime.h>

#define CEIL_DIV(a, b) (((a) + (b) - 1) / (b))

__global__ void sgemm_naive(int M, int N, int K, float alpha, const float *A, const float *B,
                            float beta, float *C) {
    const unsigned int row = blockIdx.y * blockDim.y + threadIdx.y;
    const unsigned int col = blockIdx.x * blockDim.x + threadIdx.x;

    if (row < M && col < N) {
        float acc = 0.0f;
        for (int k = 0; k < K; ++k) {
            acc += A[row * K + k] * B[k * N + col];
        }
        C[row * N + col] = alpha * acc + beta * C[row * N + col];
    }
}

void sgemm(int M, int N, int K, float alpha, const float *A, const float *B, float beta, float *C) {
    float *dA, *dB, *dC;
    cudaMalloc((void **)&dA, sizeof(float) * M * K);
    cudaMalloc((void **)&dB, sizeof(float) * K * N);
    cudaMalloc((void **)&dC, sizeof(float) * M * N);
    cudaMemcpy(dA, A, sizeof(float) * M * K, cudaMemcpyHostToDevice);
    cudaMemcpy(dB, B, sizeof(float) * K * N, cudaMemcpyHostToDevice);
    cudaMemcpy(dC, C, sizeof(float) * M * N, cudaMemcpyHostToDevice);

    dim3 gridDim(CEIL_DIV(N, 16), CEIL_DIV(M, 16), 1);
    dim3 blockDim(16, 16, 1);
    sgemm_naive<<<gridDim, blockDim>>>(M, N, K, alpha, dA, dB, beta, dC);

    cudaMemcpy(C, dC, sizeof(float) * M * N, cudaMemcpyDeviceToHost);
    cudaFree(dA);
    cudaFree(dB);
    cudaFree(dC);
}

int main() {
    const int M = 256, N = 240, K = 224;
    float *A = new float[M * K];
    float *B = new float[K * N];
    float *C = new float[M * N];
    for (int i = 0; i < M * K; i++) A[i] = (i % 13) - 6;
    for (int i = 0; i < K * N; i++) B[i] = (i % 7) - 3;
    for (int i = 0; i < M * N; i++) C[i] = i % 5;

    sgemm(M, N, K, 0.5f, A, B, 2.0f, C);

    double checksum = 0.0;
    for (int i = 0; i < M * N; i++) checksum += C[i];
    printf("sgemm_naive: checksum %.3f\n", checksum);
    delete[] A;
    delete[] B;
    delete[] C;
    return 0;
}
