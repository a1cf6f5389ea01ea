// Dropout whose mask is a hash of (seed, index): nothing to store, the backward pass draws the same.
#include <cuda_runtime.h>
#include <stdint.h>

// A finaliser of the murmur family: every input bit reaches every output bit.
__device__ static uint32_t mix32(uint32_t h)
{
    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h *= 0xc2b2ae35u;
    h ^= h >> 16;
    return h;
}

__device__ static float uniform01(uint32_t seed, uint32_t counter)
{
    const uint32_t bits = mix32(counter * 0x9e3779b9u + mix32(seed));
    return (bits >> 8) * (1.0f / 16777216.0f);  // 24 bits, exact
}

__global__ void dropout_forward(const float *x, float *y, uint8_t *mask, uint32_t n, float p,
                                uint32_t seed)
{
    const float scale = 1.0f / (1.0f - p);
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const bool keep = uniform01(seed, i) >= p;
        mask[i] = keep;
        y[i] = keep ? x[i] * scale : 0.0f;
    }
}
