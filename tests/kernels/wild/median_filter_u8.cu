// 3 x 3 median of 8-bit images by a network of 19 exchanges; borders are copied.
#include <cuda_runtime.h>

#define SORT2(a, b)              \
    do {                         \
        const int lo = min(a, b); \
        const int hi = max(a, b); \
        (a) = lo;                \
        (b) = hi;                \
    } while (0)

__global__ void median3x3(const unsigned char *src, unsigned char *dst, int w, int h)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x;
    const int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= w || y >= h) return;
    if (x == 0 || y == 0 || x == w - 1 || y == h - 1) {
        dst[y * w + x] = src[y * w + x];
        return;
    }

    int p[9];
    for (int dy = -1, k = 0; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx, ++k)
            p[k] = src[(y + dy) * w + x + dx];

    SORT2(p[1], p[2]); SORT2(p[4], p[5]); SORT2(p[7], p[8]);
    SORT2(p[0], p[1]); SORT2(p[3], p[4]); SORT2(p[6], p[7]);
    SORT2(p[1], p[2]); SORT2(p[4], p[5]); SORT2(p[7], p[8]);
    SORT2(p[0], p[3]); SORT2(p[5], p[8]); SORT2(p[4], p[7]);
    SORT2(p[3], p[6]); SORT2(p[1], p[4]); SORT2(p[2], p[5]);
    SORT2(p[4], p[7]); SORT2(p[4], p[2]); SORT2(p[6], p[4]);
    SORT2(p[4], p[2]);
    dst[y * w + x] = (unsigned char)p[4];
}
