// Sum in one launch: the last block to finish adds the partial sums of all. `ticket` is zero before
// and after.
#include <cuda_runtime.h>

#define BLOCK 128

__device__ float block_total(float v, float* scratch)
{
    scratch[threadIdx.x] = v;
    __syncthreads();
    for (int s = BLOCK / 2; s > 0; s /= 2) {
        if (threadIdx.x < s) scratch[threadIdx.x] += scratch[threadIdx.x + s];
        __syncthreads();
    }
    return scratch[0];
}

__global__ void sum_single_pass(const float* in, float* partial, float* out, unsigned* ticket, int n)
{
    __shared__ float scratch[BLOCK];
    __shared__ bool is_last;

    float v = 0.f;
    for (int i = blockIdx.x * BLOCK + threadIdx.x; i < n; i += BLOCK * gridDim.x) v += in[i];
    const float total = block_total(v, scratch);

    if (threadIdx.x == 0) {
        partial[blockIdx.x] = total;
        // The partial sum must be visible before the ticket is drawn.
        __threadfence();
        is_last = atomicAdd(ticket, 1u) == gridDim.x - 1;
    }
    __syncthreads();

    if (is_last) {
        v = 0.f;
        for (int i = threadIdx.x; i < gridDim.x; i += BLOCK) v += partial[i];
        const float grand = block_total(v, scratch);
        if (threadIdx.x == 0) {
            *out = grand;
            *ticket = 0;
        }
    }
}
