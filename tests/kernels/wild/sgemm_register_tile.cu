// Register tiling in two dimensions: a thread keeps RM x RN sums and reads RM + RN words of shared
// memory for RM * RN multiplications. The tile sizes divide m, n and k.
#include <cuda_runtime.h>

template <int TILE_M, int TILE_N, int TILE_K, int RM, int RN>
__global__ void __launch_bounds__((TILE_M / RM) * (TILE_N / RN))
sgemm_registers(const float *A, const float *B, float *C, int m, int n, int k, float alpha, float beta)
{
    const int threads = (TILE_M / RM) * (TILE_N / RN);
    const int t = threadIdx.x;
    const int tile_x = t % (TILE_N / RN);
    const int tile_y = t / (TILE_N / RN);

    __shared__ float panel_a[TILE_M * TILE_K];
    __shared__ float panel_b[TILE_K * TILE_N];

    // from here on the pointers mean this block's part of the matrices
    A += blockIdx.y * TILE_M * k;
    B += blockIdx.x * TILE_N;
    C += blockIdx.y * TILE_M * n + blockIdx.x * TILE_N;

    float sum[RM][RN] = {};

    for (int done = 0; done < k; done += TILE_K, A += TILE_K, B += TILE_K * n) {
        for (int i = t; i < TILE_M * TILE_K; i += threads)
            panel_a[i] = A[i / TILE_K * k + i % TILE_K];
        for (int i = t; i < TILE_K * TILE_N; i += threads)
            panel_b[i] = B[i / TILE_N * n + i % TILE_N];
        __syncthreads();

        for (int p = 0; p < TILE_K; ++p) {
            float a[RM], b[RN];
            for (int i = 0; i < RM; ++i) a[i] = panel_a[(tile_y * RM + i) * TILE_K + p];
            for (int j = 0; j < RN; ++j) b[j] = panel_b[p * TILE_N + tile_x * RN + j];
            for (int i = 0; i < RM; ++i)
                for (int j = 0; j < RN; ++j)
                    sum[i][j] += a[i] * b[j];
        }
        __syncthreads();
    }

    for (int i = 0; i < RM; ++i) {
        float *out = C + (tile_y * RM + i) * n + tile_x * RN;
        for (int j = 0; j < RN; ++j)
            out[j] = alpha * sum[i][j] + beta * out[j];
    }
}
