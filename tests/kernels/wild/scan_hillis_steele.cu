// Inclusive scan of one block's worth of elements a block, with two buffers that swap roles each
// step. Work-inefficient, but only log2(n) barriers.
#include <cuda_runtime.h>

__global__ void scan_naive(float *g_odata, const float *g_idata, int n)
{
    extern __shared__ float temp[];  // 2 * blockDim.x floats

    const int thid = threadIdx.x;
    const int width = blockDim.x;
    const int gid = blockIdx.x * width + thid;
    int pout = 0, pin = 1;

    temp[pout * width + thid] = gid < n ? g_idata[gid] : 0.0f;
    __syncthreads();

    for (int offset = 1; offset < width; offset *= 2) {
        pout = 1 - pout;  // swap the buffers
        pin = 1 - pout;
        if (thid >= offset)
            temp[pout * width + thid] = temp[pin * width + thid] + temp[pin * width + thid - offset];
        else
            temp[pout * width + thid] = temp[pin * width + thid];
        __syncthreads();
    }

    if (gid < n) g_odata[gid] = temp[pout * width + thid];
}
