// C = A * B through tiles in shared memory. No size is a multiple of the tile.
#include <cmath>
#include <cstdio>
#include <vector>

#include <cuda_runtime.h>

template <int TILE>
__global__ void gemm_tiled(const float* A, const float* B, float* C, int m, int n, int k) {
    __shared__ float tile_a[TILE][TILE];
    __shared__ float tile_b[TILE][TILE];

    const int tx = threadIdx.x;
    const int ty = threadIdx.y;
    const int row = blockIdx.y * TILE + ty;
    const int col = blockIdx.x * TILE + tx;

    float sum = 0.0f;
    for (int t = 0; t < (k + TILE - 1) / TILE; ++t) {
        const int a_col = t * TILE + tx;
        const int b_row = t * TILE + ty;
        tile_a[ty][tx] = (row < m && a_col < k) ? A[row * k + a_col] : 0.0f;
        tile_b[ty][tx] = (b_row < k && col < n) ? B[b_row * n + col] : 0.0f;
        __syncthreads();

#pragma unroll
        for (int i = 0; i < TILE; ++i) {
            sum += tile_a[ty][i] * tile_b[i][tx];
        }
        __syncthreads();
    }

    if (row < m && col < n) {
        C[row * n + col] = sum;
    }
}

static inline int ceil_div(int a, int b) { return (a + b - 1) / b; }

void launch_gemm(const std::vector<float>& A, const std::vector<float>& B, std::vector<float>& C,
                 int m, int n, int k) {
    float *d_a, *d_b, *d_c;
    cudaMalloc(&d_a, A.size() * sizeof(float));
    cudaMalloc(&d_b, B.size() * sizeof(float));
    cudaMalloc(&d_c, C.size() * sizeof(float));
    cudaMemcpy(d_a, A.data(), A.size() * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(d_b, B.data(), B.size() * sizeof(float), cudaMemcpyHostToDevice);

    constexpr int tile = 16;
    const dim3 threads(tile, tile);
    const dim3 blocks(ceil_div(n, tile), ceil_div(m, tile));
    gemm_tiled<tile><<<blocks, threads>>>(d_a, d_b, d_c, m, n, k);

    cudaMemcpy(C.data(), d_c, C.size() * sizeof(float), cudaMemcpyDeviceToHost);
    cudaFree(d_a);
    cudaFree(d_b);
    cudaFree(d_c);
}

int main() {
    const int m = 250, n = 230, k = 200;
    std::vector<float> A(m * k), B(k * n), C(m * n, 0.0f);
    for (int i = 0; i < m * k; ++i) A[i] = 0.1f * (i % 11) - 0.5f;
    for (int i = 0; i < k * n; ++i) B[i] = 0.2f * (i % 9) - 0.8f;

    launch_gemm(A, B, C, m, n, k);

    double worst = 0.0;
    for (int i = 0; i < m; ++i) {
        for (int j = 0; j < n; ++j) {
            double expected = 0.0;
            for (int p = 0; p < k; ++p) expected += (double)A[i * k + p] * B[p * n + j];
            worst = std::fmax(worst, std::fabs(expected - C[i * n + j]));
        }
    }
    printf("gemm_tiled: largest error %g\n", worst);
    return worst < 1e-3 ? 0 : 1;
}
