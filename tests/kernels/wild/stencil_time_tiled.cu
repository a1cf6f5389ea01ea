// 1-D heat equation, STEPS time steps in one launch. A block loads its cells with a halo of STEPS
// on both sides and recomputes what neighbours also compute, so blocks need not communicate. Ends
// of the rod are held fixed.
#include <cuda_runtime.h>

#define STEPS 4
#define BLOCK 64

__global__ void heat_steps(const float *__restrict__ before, float *__restrict__ after, int n, float r)
{
    __shared__ float u[2][BLOCK + 2 * STEPS];

    const int width = BLOCK + 2 * STEPS;
    const int origin = blockIdx.x * BLOCK - STEPS;

    for (int i = threadIdx.x; i < width; i += BLOCK) {
        const int g = min(max(origin + i, 0), n - 1);
        u[0][i] = before[g];
    }
    __syncthreads();

    int cur = 0;
    #pragma unroll
    for (int t = 1; t <= STEPS; ++t) {
        // Cells nearer than t to the edge of the tile are stale from here on.
        for (int i = threadIdx.x + t; i < width - t; i += BLOCK) {
            const int g = origin + i;
            const float c = u[cur][i];
            const bool fixed = g <= 0 || g >= n - 1;
            u[cur ^ 1][i] = fixed ? c : c + r * (u[cur][i - 1] - 2.0f * c + u[cur][i + 1]);
        }
        __syncthreads();
        cur ^= 1;
    }

    const int g = blockIdx.x * BLOCK + threadIdx.x;
    if (g < n) after[g] = u[cur][threadIdx.x + STEPS];
}
