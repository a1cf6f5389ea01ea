// Unfolds an image (channels, height, width) to columns (channels * kernel * kernel, positions);
// one thread an element of the result, grid-stride.
#include <cuda_runtime.h>

#define FOR_EACH_INDEX(i, count) \
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < (count); i += gridDim.x * blockDim.x)

template <typename T>
__global__ void unfold(const T* __restrict__ image, T* __restrict__ columns, int channels,
                       int height, int width, int kernel, int stride, int pad, int dilation,
                       int out_h, int out_w)
{
    const int positions = out_h * out_w;
    FOR_EACH_INDEX(i, channels * kernel * kernel * positions) {
        int rest = i;
        const int ox = rest % out_w; rest /= out_w;
        const int oy = rest % out_h; rest /= out_h;
        const int kx = rest % kernel; rest /= kernel;
        const int ky = rest % kernel; rest /= kernel;
        const int channel = rest;

        const int y = oy * stride - pad + ky * dilation;
        const int x = ox * stride - pad + kx * dilation;
        // One comparison a side: negative numbers are large as unsigned ones.
        const bool inside = (unsigned)y < (unsigned)height && (unsigned)x < (unsigned)width;
        columns[i] = inside ? image[(channel * height + y) * width + x] : T(0);
    }
}
