// Tiles of three levels. A block owns Shape::M x Shape::N results; its warps share them out as a
// 2 x 2 raster; within a warp the lanes form 4 x 8, each with 4 x 4 results that lie a lane's
// raster apart, so that shared loads of a warp touch few rows.
#include <cuda_runtime.h>

struct Shape {
    static constexpr int M = 32, N = 64, K = 8;
    static constexpr int WarpsM = 2, WarpsN = 2;
    static constexpr int WarpM = M / WarpsM, WarpN = N / WarpsN;
    static constexpr int LanesM = 4, LanesN = 8;
    static constexpr int EachM = WarpM / LanesM, EachN = WarpN / LanesN;
    static constexpr int Threads = 32 * WarpsM * WarpsN;
};

// Where a thread's results start in the block's tile.
struct Place {
    int row, col;

    __device__ static Place of(int thread)
    {
        const int warp = thread / 32, lane = thread % 32;
        Place p;
        p.row = warp / Shape::WarpsN * Shape::WarpM + lane / Shape::LanesN;
        p.col = warp % Shape::WarpsN * Shape::WarpN + lane % Shape::LanesN;
        return p;
    }
};

template <class S>
__device__ void multiply_panels(const float (&a)[S::K][S::M], const float (&b)[S::K][S::N],
                                const Place at, float (&sum)[S::EachM][S::EachN])
{
#pragma unroll
    for (int p = 0; p < S::K; ++p) {
        float av[S::EachM], bv[S::EachN];
#pragma unroll
        for (int i = 0; i < S::EachM; ++i) av[i] = a[p][at.row + i * S::LanesM];
#pragma unroll
        for (int j = 0; j < S::EachN; ++j) bv[j] = b[p][at.col + j * S::LanesN];
#pragma unroll
        for (int i = 0; i < S::EachM; ++i)
#pragma unroll
            for (int j = 0; j < S::EachN; ++j) sum[i][j] = fmaf(av[i], bv[j], sum[i][j]);
    }
}

__global__ void __launch_bounds__(Shape::Threads)
sgemm_warps(const float *A, const float *B, float *C, int m, int n, int k, float alpha, float beta)
{
    using S = Shape;
    __shared__ float a[S::K][S::M];
    __shared__ float b[S::K][S::N];

    const int t = threadIdx.x;
    const Place at = Place::of(t);
    const int row0 = blockIdx.y * S::M;
    const int col0 = blockIdx.x * S::N;
    float sum[S::EachM][S::EachN] = {};

    for (int k0 = 0; k0 < k; k0 += S::K) {
        for (int i = t; i < S::M * S::K; i += S::Threads)
            a[i % S::K][i / S::K] = A[(row0 + i / S::K) * k + k0 + i % S::K];
        for (int i = t; i < S::K * S::N; i += S::Threads)
            b[i / S::N][i % S::N] = B[(k0 + i / S::N) * n + col0 + i % S::N];
        __syncthreads();
        multiply_panels<S>(a, b, at, sum);
        __syncthreads();
    }

    for (int i = 0; i < S::EachM; ++i) {
        for (int j = 0; j < S::EachN; ++j) {
            const int row = row0 + at.row + i * S::LanesM;
            const int col = col0 + at.col + j * S::LanesN;
            C[row * n + col] = alpha * sum[i][j] + beta * C[row * n + col];
        }
    }
}
