// C[b] = A[b] * B[b]^T for every batch, one blockIdx.z each; batches may lie any stride apart.
#include <cuda_runtime.h>

#define TILE_M 16
#define TILE_N 16

__global__ void bmm_nt(const float *A, const float *B, float *C, int M, int N, int K,
                       long long strideA, long long strideB, long long strideC)
{
    const float *a = A + blockIdx.z * strideA;
    const float *b = B + blockIdx.z * strideB;
    float *c = C + blockIdx.z * strideC;

    const int m = blockIdx.y * TILE_M + threadIdx.y;
    const int n = blockIdx.x * TILE_N + threadIdx.x;

    __shared__ float ta[TILE_M][TILE_N + 1], tb[TILE_N][TILE_M + 1];
    float sum = 0;
    for (int k0 = 0; k0 < K; k0 += TILE_M) {
        const int k = k0 + threadIdx.x;
        const int nb = blockIdx.x * TILE_N + threadIdx.y;
        ta[threadIdx.y][threadIdx.x] = 0;
        tb[threadIdx.y][threadIdx.x] = 0;
        if (m < M && k < K) ta[threadIdx.y][threadIdx.x] = a[m * K + k];
        if (nb < N && k < K) tb[threadIdx.y][threadIdx.x] = b[nb * K + k];
        __syncthreads();
        for (int i = 0; i < TILE_M; i++)
            sum += ta[threadIdx.y][i] * tb[threadIdx.x][i];
        __syncthreads();
    }
    if (m < M && n < N) c[m * N + n] = sum;
}
