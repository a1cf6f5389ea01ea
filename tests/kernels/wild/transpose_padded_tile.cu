// Transpose of 16-bit data through a padded tile; the block's indices are exchanged for the store,
// so that both sides coalesce.
#include <cuda_runtime.h>
#include <stdint.h>

#define BDIM 16

__global__ void transpose_u16(uint16_t *__restrict__ dst, const uint16_t *__restrict__ src,
                              int width, int height)
{
    __shared__ uint16_t block[BDIM][BDIM + 1];

    int xi = blockIdx.x * BDIM + threadIdx.x;
    int yi = blockIdx.y * BDIM + threadIdx.y;
    if ((xi < width) && (yi < height))
        block[threadIdx.y][threadIdx.x] = src[yi * width + xi];

    __syncthreads();

    xi = blockIdx.y * BDIM + threadIdx.x;
    yi = blockIdx.x * BDIM + threadIdx.y;
    if ((xi < height) && (yi < width))
        dst[yi * height + xi] = block[threadIdx.x][threadIdx.y];
}
