// int8 x int8 -> int32, B transposed, tiles in shared memory.
#include <cuda_runtime.h>
#include <stdint.h>

#define TILE 16

__global__ void igemm(const int8_t* A, const int8_t* Bt, int32_t* C, int M, int N, int K) {
    __shared__ int8_t a[TILE][TILE];
    __shared__ int8_t b[TILE][TILE + 4];
    int row = blockIdx.y * TILE + threadIdx.y;
    int col = blockIdx.x * TILE + threadIdx.x;
    int32_t acc = 0;
    for (int k0 = 0; k0 < K; k0 += TILE) {
        int ka = k0 + threadIdx.x;
        int bcol = blockIdx.x * TILE + threadIdx.y;
        a[threadIdx.y][threadIdx.x] = row < M && ka < K ? A[row * K + ka] : 0;
        b[threadIdx.y][threadIdx.x] = bcol < N && ka < K ? Bt[bcol * K + ka] : 0;
        __syncthreads();
        for (int k = 0; k < TILE; ++k) acc += (int)a[threadIdx.y][k] * (int)b[threadIdx.x][k];
        __syncthreads();
    }
    if (row < M && col < N) C[row * N + col] = acc;
}

int main() {
    const int M = 40, N = 50, K = 70;
    int8_t *a, *b, *h = new int8_t[N * K];
    int32_t *c, *hc = new int32_t[M * N];
    cudaMalloc(&a, M * K);
    cudaMalloc(&b, N * K);
    cudaMalloc(&c, M * N * sizeof(int32_t));
    cudaMemcpy(a, h, M * K, cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, N * K, cudaMemcpyHostToDevice);
    dim3 block(TILE, TILE), grid((N + TILE - 1) / TILE, (M + TILE - 1) / TILE);
    igemm<<<grid, block>>>(a, b, c, M, N, K);
    cudaMemcpy(hc, c, M * N * sizeof(int32_t), cudaMemcpyDeviceToHost);
    return 0;
}
