// Double buffering: while one pair of tiles is multiplied, the next is on its way through
// registers. One barrier a step.
#include <cuda_runtime.h>

#define TILE 16
#define OFFSET(row, col, ld) ((row) * (ld) + (col))

__device__ __forceinline__ float guarded(const float *p, int row, int col, int rows, int cols)
{
    return (row < rows && col < cols) ? p[OFFSET(row, col, cols)] : 0.f;
}

__global__ void sgemm_db(const float *__restrict__ a, const float *__restrict__ b,
                         float *__restrict__ c, const int M, const int N, const int K,
                         const float alpha, const float beta)
{
    __shared__ float s_a[2][TILE][TILE + 1];
    __shared__ float s_b[2][TILE][TILE + 1];

    const int tx = threadIdx.x, ty = threadIdx.y;
    const int row = blockIdx.y * TILE + ty;
    const int col = blockIdx.x * TILE + tx;
    const int steps = (K + TILE - 1) / TILE;

    s_a[0][ty][tx] = guarded(a, row, tx, M, K);
    s_b[0][ty][tx] = guarded(b, ty, col, K, N);
    __syncthreads();

    float acc = 0.f;
    for (int step = 0; step < steps; ++step) {
        const int cur = step & 1;
        const int nxt = cur ^ 1;

        float next_a = 0.f, next_b = 0.f;
        if (step + 1 < steps) {
            next_a = guarded(a, row, (step + 1) * TILE + tx, M, K);
            next_b = guarded(b, (step + 1) * TILE + ty, col, K, N);
        }

        #pragma unroll
        for (int k = 0; k < TILE; ++k)
            acc = fmaf(s_a[cur][ty][k], s_b[cur][k][tx], acc);

        if (step + 1 < steps) {
            s_a[nxt][ty][tx] = next_a;
            s_b[nxt][ty][tx] = next_b;
        }
        __syncthreads();
    }

    if (row < M && col < N)
        c[OFFSET(row, col, N)] = alpha * acc + beta * c[OFFSET(row, col, N)];
}
