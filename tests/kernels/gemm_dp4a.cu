// int8 product with __dp4a on packed words.
#include <cuda_runtime.h>

__global__ void dp4a_gemm(const int* A, const int* B, int* C, int M, int N, int K4) {
    int r = blockIdx.y * blockDim.y + threadIdx.y;
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (r < M && c < N) {
        int acc = 0;
        for (int k = 0; k < K4; ++k) acc = __dp4a(A[r * K4 + k], B[c * K4 + k], acc);
        C[r * N + c] = acc;
    }
}

int main() {
    const int M = 20, N = 24, K4 = 8;
    int *a, *b, *c, *h = new int[M * N];
    cudaMalloc(&a, M * K4 * sizeof(int));
    cudaMalloc(&b, N * K4 * sizeof(int));
    cudaMalloc(&c, M * N * sizeof(int));
    cudaMemcpy(a, h, M * K4 * sizeof(int), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, N * K4 * sizeof(int), cudaMemcpyHostToDevice);
    dp4a_gemm<<<dim3(3, 3), dim3(8, 8)>>>(a, b, c, M, N, K4);
    cudaMemcpy(h, c, M * N * sizeof(int), cudaMemcpyDeviceToHost);
}
