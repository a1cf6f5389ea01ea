// Rotary position embedding in place on queries and keys, halves of a head paired as (i, i + d/2).
// Angles come from a table of cosines and sines, one row a position.
#include <cuda_runtime.h>

__device__ __forceinline__ void rotate(float* head, int i, int half, float c, float s)
{
    const float a = head[i];
    const float b = head[i + half];
    head[i] = a * c - b * s;
    head[i + half] = b * c + a * s;
}

__global__ void rope_inplace(float* __restrict__ query,            // [tokens, heads, d]
                                        float* __restrict__ key,              // [tokens, kv_heads, d]
                                        const int* __restrict__ positions,    // [tokens]
                                        const float* __restrict__ cos_sin,    // [max_position, d]
                                        int heads, int kv_heads, int d)
{
    const int token = blockIdx.x;
    const int half = d / 2;
    const float* cos_row = cos_sin + positions[token] * d;
    const float* sin_row = cos_row + half;

    for (int i = threadIdx.x; i < heads * half; i += blockDim.x) {
        const int h = i / half, r = i % half;
        rotate(query + (token * heads + h) * d, r, half, cos_row[r], sin_row[r]);
    }
    for (int i = threadIdx.x; i < kv_heads * half; i += blockDim.x) {
        const int h = i / half, r = i % half;
        rotate(key + (token * kv_heads + h) * d, r, half, cos_row[r], sin_row[r]);
    }
}
