// Sobel magnitude (|gx| + |gy|, saturated) of an 8-bit image, one shared tile with a border a block.
#include <cuda_runtime.h>
#include <stdint.h>

#define BW 16
#define BH 16

__device__ __forceinline__ int clampi(int v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }

__global__ void sobel(const uint8_t *__restrict__ src, uint8_t *__restrict__ dst, int w, int h)
{
    __shared__ uint8_t px[BH + 2][BW + 2];

    const int tid = threadIdx.y * BW + threadIdx.x;
    for (int i = tid; i < (BW + 2) * (BH + 2); i += BW * BH) {
        const int ly = i / (BW + 2), lx = i % (BW + 2);
        const int gy = clampi(blockIdx.y * BH + ly - 1, 0, h - 1);
        const int gx = clampi(blockIdx.x * BW + lx - 1, 0, w - 1);
        px[ly][lx] = src[gy * w + gx];
    }
    __syncthreads();

    const int x = blockIdx.x * BW + threadIdx.x;
    const int y = blockIdx.y * BH + threadIdx.y;
    if (x >= w || y >= h)
        return;

    const int lx = threadIdx.x + 1, ly = threadIdx.y + 1;
    const int dx = px[ly - 1][lx + 1] + 2 * px[ly][lx + 1] + px[ly + 1][lx + 1]
                 - px[ly - 1][lx - 1] - 2 * px[ly][lx - 1] - px[ly + 1][lx - 1];
    const int dy = px[ly + 1][lx - 1] + 2 * px[ly + 1][lx] + px[ly + 1][lx + 1]
                 - px[ly - 1][lx - 1] - 2 * px[ly - 1][lx] - px[ly - 1][lx + 1];
    dst[y * w + x] = min(abs(dx) + abs(dy), 255);
}
