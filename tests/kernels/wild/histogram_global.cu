// 64-bin histogram of bytes with atomics in global memory; right for few and spread-out values.
#include <cuda_runtime.h>

typedef unsigned char uchar;
typedef unsigned int uint;

__global__ void histogram64(const uchar *data, uint *bins, uint size)
{
    uint i = blockIdx.x * blockDim.x + threadIdx.x;
    const uint stride = blockDim.x * gridDim.x;
    while (i < size) {
        atomicAdd(&bins[data[i] >> 2], 1);
        i += stride;
    }
}
