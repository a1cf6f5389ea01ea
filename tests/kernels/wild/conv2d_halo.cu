// 2-D convolution (correlation) of one channel, same padding, through a shared tile with a halo.
// Every thread loads its own pixel and, at need, pixels of the halo.
#include <cuda_runtime.h>

#define TILE_W 16
#define TILE_H 8
#define RADIUS 2
#define KSIZE (2 * RADIUS + 1)

__global__ void conv2d_tiled(const float* __restrict__ in, const float* __restrict__ filter,
                             float* __restrict__ out, int height, int width)
{
    __shared__ float tile[TILE_H + 2 * RADIUS][TILE_W + 2 * RADIUS];

    const int tx = threadIdx.x;
    const int ty = threadIdx.y;
    const int x0 = blockIdx.x * TILE_W - RADIUS;
    const int y0 = blockIdx.y * TILE_H - RADIUS;

    for (int dy = ty; dy < TILE_H + 2 * RADIUS; dy += TILE_H) {
        for (int dx = tx; dx < TILE_W + 2 * RADIUS; dx += TILE_W) {
            const int gx = x0 + dx;
            const int gy = y0 + dy;
            const bool inside = gx >= 0 && gx < width && gy >= 0 && gy < height;
            tile[dy][dx] = inside ? in[gy * width + gx] : 0.0f;
        }
    }
    __syncthreads();

    const int x = blockIdx.x * TILE_W + tx;
    const int y = blockIdx.y * TILE_H + ty;
    if (x >= width || y >= height) return;

    float acc = 0.0f;
    #pragma unroll
    for (int i = 0; i < KSIZE; ++i) {
        #pragma unroll
        for (int j = 0; j < KSIZE; ++j) {
            acc += tile[ty + i][tx + j] * filter[i * KSIZE + j];
        }
    }
    out[y * width + x] = acc;
}
