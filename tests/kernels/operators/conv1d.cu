// The block's inputs and their halo are staged in shared memory, the filter in constant registers.
#include <cuda_runtime.h>

#define OUT 5
#define KW 3
#define BLOCK 64

__global__ void conv1d(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y) {
    __shared__ float tile[BLOCK + KW - 1];
    const int start = blockIdx.x * BLOCK;
    for (int i = threadIdx.x; i < BLOCK + KW - 1; i += BLOCK)
        tile[i] = start + i < OUT + KW - 1 ? x[start + i] : 0.0f;
    __syncthreads();

    const int o = start + threadIdx.x;
    if (o < OUT) {
        float sum = 0.0f;
#pragma unroll
        for (int k = 0; k < KW; ++k) sum += tile[threadIdx.x + k] * w[k];
        y[o] = sum;
    }
}
