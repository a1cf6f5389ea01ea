// A block a row, trees in dynamic shared memory.
#include <cuda_runtime.h>

#define B 1
#define S 4
#define D 32

__device__ float block_sum(float v) {
    extern __shared__ float buffer[];
    buffer[threadIdx.x] = v;
    __syncthreads();
    for (unsigned int s = blockDim.x / 2; s > 0; s /= 2) {
        if (threadIdx.x < s) buffer[threadIdx.x] += buffer[threadIdx.x + s];
        __syncthreads();
    }
    const float total = buffer[0];
    __syncthreads();
    return total;
}

__global__ void layernorm_block(const float* x, const float* gamma, const float* beta, float* y) {
    const int b = blockIdx.y, s = blockIdx.x;
    const float* row = x + (b * S + s) * D;

    float sum = 0.0f;
    for (int d = threadIdx.x; d < D; d += blockDim.x) sum += row[d];
    const float mean = block_sum(sum) / D;

    float var = 0.0f;
    for (int d = threadIdx.x; d < D; d += blockDim.x) {
        const float diff = row[d] - mean;
        var += diff * diff;
    }
    const float deviation = sqrtf(block_sum(var) / D) + 1e-5f;

    for (int d = threadIdx.x; d < D; d += blockDim.x)
        y[(b * S + s) * D + d] = (row[d] - mean) / deviation * gamma[d] + beta[d];
}
