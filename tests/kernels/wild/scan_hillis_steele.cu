// Inclusive scan by Hillis and Steele, each block on its own stretch of the array. Two halves of
// the shared array take turns as source and destination, so one barrier a step is enough.
#include <cuda_runtime.h>

__global__ void inclusive_scan_blocks(const float *x, float *y, int n)
{
    extern __shared__ float halves[];  // 2 * blockDim.x

    const int t = threadIdx.x;
    const int i = blockIdx.x * blockDim.x + t;
    float *from = halves;
    float *to = halves + blockDim.x;

    from[t] = i < n ? x[i] : 0.0f;
    __syncthreads();

    for (int reach = 1; reach < blockDim.x; reach <<= 1) {
        float sum = from[t];
        if (t >= reach) sum += from[t - reach];
        to[t] = sum;
        __syncthreads();

        float *other = from;
        from = to;
        to = other;
    }

    if (i < n) y[i] = from[t];
}
