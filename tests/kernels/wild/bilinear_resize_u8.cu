// Bilinear resize of interleaved 8-bit images, pixel centres aligned, rounded to nearest.
#include <cuda_runtime.h>

typedef unsigned char u8;

__device__ __forceinline__ float lerp1(float a, float b, float t) { return a + t * (b - a); }

__global__ void resize_bilinear(const u8 *__restrict__ src, u8 *__restrict__ dst, int src_w, int src_h,
                                int dst_w, int dst_h, int channels)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x;
    const int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= dst_w || y >= dst_h) return;

    const float fx = (x + 0.5f) * ((float)src_w / dst_w) - 0.5f;
    const float fy = (y + 0.5f) * ((float)src_h / dst_h) - 0.5f;
    const int x0 = (int)floorf(fx);
    const int y0 = (int)floorf(fy);
    const float tx = fx - x0;
    const float ty = fy - y0;

    const int xa = max(x0, 0), xb = min(x0 + 1, src_w - 1);
    const int ya = max(y0, 0), yb = min(y0 + 1, src_h - 1);

    for (int c = 0; c < channels; ++c) {
        const float top = lerp1(src[(ya * src_w + xa) * channels + c],
                                src[(ya * src_w + xb) * channels + c], tx);
        const float bottom = lerp1(src[(yb * src_w + xa) * channels + c],
                                   src[(yb * src_w + xb) * channels + c], tx);
        dst[(y * dst_w + x) * channels + c] = (u8)(lerp1(top, bottom, ty) + 0.5f);
    }
}
