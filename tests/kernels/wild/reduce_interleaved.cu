// Sum, first version: interleaved addressing. The modulo keeps one thread in 2, 4, 8, ... busy, so
// warps diverge from the start. Baseline for the versions that follow.
#include <cuda_runtime.h>

__global__ void sum_interleaved(const float *values, float *block_sums, unsigned int count)
{
    extern __shared__ float acc[];

    const unsigned int lane = threadIdx.x;
    const unsigned int at = blockIdx.x * blockDim.x + lane;

    acc[lane] = (at < count) ? values[at] : 0;
    __syncthreads();

    for (unsigned int step = 1; step < blockDim.x; step *= 2) {
        if (lane % (2 * step) == 0)
            acc[lane] += acc[lane + step];
        __syncthreads();
    }

    if (lane == 0) block_sums[blockIdx.x] = acc[0];
}
