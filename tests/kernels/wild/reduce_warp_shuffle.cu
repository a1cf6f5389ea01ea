/*
 * One warp a row, largest absolute value by butterfly shuffles. No shared memory at all.
 * Launch with blockDim.x a multiple of 32; rows beyond the last are skipped by whole warps.
 */
#include <cuda_runtime.h>
#include <stdint.h>

#define WARP_SIZE 32
#define FULL_MASK 0xffffffff

__inline__ __device__ float warpReduceMax(float val)
{
#pragma unroll
    for (int mask = WARP_SIZE / 2; mask > 0; mask >>= 1)
        val = fmaxf(val, __shfl_xor_sync(FULL_MASK, val, mask));
    return val;
}

__global__ void row_absmax(const float* __restrict__ input,
                           float* __restrict__ output,
                           const int32_t rows,
                           const int32_t cols)
{
    const int32_t lane = threadIdx.x % WARP_SIZE;
    const int32_t row = (blockIdx.x * blockDim.x + threadIdx.x) / WARP_SIZE;
    if (row >= rows) return;

    float amax = 0.f;
    for (int32_t col = lane; col < cols; col += WARP_SIZE)
        amax = fmaxf(amax, fabsf(input[(int64_t)row * cols + col]));

    amax = warpReduceMax(amax);
    if (lane == 0) output[row] = amax;
}
