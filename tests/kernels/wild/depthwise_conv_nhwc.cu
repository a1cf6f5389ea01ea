// Depthwise 3 x 3 convolution, NHWC, stride 1, same padding, four channels a thread. Weights are
// (3, 3, channels); channels is a multiple of 4.
#include <cuda_runtime.h>

__device__ __forceinline__ void fma4(float4 &acc, const float4 &a, const float4 &b)
{
    acc.x = fmaf(a.x, b.x, acc.x);
    acc.y = fmaf(a.y, b.y, acc.y);
    acc.z = fmaf(a.z, b.z, acc.z);
    acc.w = fmaf(a.w, b.w, acc.w);
}

__global__ void depthwise3x3(const float4 *__restrict__ in, const float4 *__restrict__ weight,
                             const float4 *__restrict__ bias, float4 *__restrict__ out,
                             const int height, const int width, const int c4)
{
    const int c = threadIdx.x;
    const int w = blockIdx.x * blockDim.y + threadIdx.y;
    const int h = blockIdx.y;
    if (c >= c4 || w >= width) return;

    const float4 *image = in + (size_t)blockIdx.z * height * width * c4;
    float4 acc = bias[c];
    #pragma unroll
    for (int dy = -1; dy <= 1; ++dy) {
        const int y = h + dy;
        if (y < 0 || y >= height) continue;
        #pragma unroll
        for (int dx = -1; dx <= 1; ++dx) {
            const int x = w + dx;
            if (x < 0 || x >= width) continue;
            fma4(acc, image[(y * width + x) * c4 + c], weight[((dy + 1) * 3 + dx + 1) * c4 + c]);
        }
    }
    out[((blockIdx.z * height + h) * width + w) * c4 + c] = acc;
}
