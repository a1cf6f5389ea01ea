// y[a, c, b, d] = x[a, b, c, d]: tiles of 32 x 32 turn in shared memory, which is padded so that
// columns fall into different banks. Outer and inner axes share z.
#include <cuda_runtime.h>

#define D0 1
#define D1 24
#define D2 36
#define D3 1
#define TILE 32
#define ROWS 8

__global__ __launch_bounds__(TILE * ROWS) void transpose_tiled(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float tile[TILE][TILE + 1];
  const int a = blockIdx.z / D3, d = blockIdx.z % D3;
  const float* in = x + a * D1 * D2 * D3 + d;
  float* out = y + a * D1 * D2 * D3 + d;

  int c = blockIdx.x * TILE + threadIdx.x;
  int b = blockIdx.y * TILE + threadIdx.y;
#pragma unroll
  for (int j = 0; j < TILE; j += ROWS)
    if (b + j < D1 && c < D2) tile[threadIdx.y + j][threadIdx.x] = in[((b + j) * D2 + c) * D3];
  __syncthreads();
  b = blockIdx.y * TILE + threadIdx.x;
  c = blockIdx.x * TILE + threadIdx.y;
#pragma unroll
  for (int j = 0; j < TILE; j += ROWS)
    if (c + j < D2 && b < D1) out[((c + j) * D1 + b) * D3] = tile[threadIdx.x][threadIdx.y + j];
}
