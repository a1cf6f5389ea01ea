// Tiles of 32 x 32, blocks of 32 x 8: every thread moves four elements. Batched over blockIdx.z.
#include <cuda_runtime.h>

static constexpr int kTile = 32;
static constexpr int kRowsPerStep = 8;

__global__ void __launch_bounds__(kTile* kRowsPerStep)
batched_transpose(const float* __restrict__ input, float* __restrict__ output, int rows, int cols)
{
    __shared__ float tile[kTile][kTile + 1];  // +1: no bank conflicts when columns are read

    const size_t plane = (size_t)rows * cols;
    const float* in = input + blockIdx.z * plane;
    float* out = output + blockIdx.z * plane;

    int x = blockIdx.x * kTile + threadIdx.x;
    int y = blockIdx.y * kTile + threadIdx.y;
    #pragma unroll
    for (int j = 0; j < kTile; j += kRowsPerStep) {
        if (x < cols && y + j < rows) tile[threadIdx.y + j][threadIdx.x] = in[(y + j) * cols + x];
    }
    __syncthreads();

    x = blockIdx.y * kTile + threadIdx.x;
    y = blockIdx.x * kTile + threadIdx.y;
    #pragma unroll
    for (int j = 0; j < kTile; j += kRowsPerStep) {
        if (x < rows && y + j < cols) out[(y + j) * rows + x] = tile[threadIdx.x][threadIdx.y + j];
    }
}
