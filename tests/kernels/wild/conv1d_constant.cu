// 1-D filter with nine taps in constant memory, several signals, reflected borders.
#include <cuda_runtime.h>

#define RADIUS 4

// A binomial window: close to a Gaussian, sums to one.
__constant__ float c_taps[2 * RADIUS + 1] = {
    1.f / 256, 8.f / 256, 28.f / 256, 56.f / 256, 70.f / 256, 56.f / 256, 28.f / 256, 8.f / 256, 1.f / 256,
};

__device__ int reflect(int i, int n)
{
    if (i < 0) i = -i;
    if (i >= n) i = 2 * (n - 1) - i;
    return i;
}

__global__ void smooth_signals(const float *signal, float *smooth, int length)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int channel = blockIdx.y;
    if (i >= length) return;

    signal += channel * length;
    float sum = 0.f;
#pragma unroll
    for (int t = -RADIUS; t <= RADIUS; t++)
        sum += signal[reflect(i + t, length)] * c_taps[t + RADIUS];
    smooth[channel * length + i] = sum;
}
