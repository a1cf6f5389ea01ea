#include <hip/hip_runtime.h>

#define D0 1
#define D1 24
#define D2 36
#define D3 1
#define TILE 16

// y[a, c, b, d] = x[a, b, c, d] by tiles of 16 x 16 in LDS; a block walks along the inner axis.
__global__ __launch_bounds__(256) void transpose(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float lds[TILE * (TILE + 1)];
  const int tx = threadIdx.x % TILE, ty = threadIdx.x / TILE;
  const int c0 = blockIdx.x * TILE, b0 = blockIdx.y * TILE;
  for (int d = 0; d < D3; ++d) {
    const int from = ((blockIdx.z * D1 + b0 + ty) * D2 + c0 + tx) * D3 + d;
    const int to = ((blockIdx.z * D2 + c0 + ty) * D1 + b0 + tx) * D3 + d;
    if (b0 + ty < D1 && c0 + tx < D2) lds[ty * (TILE + 1) + tx] = x[from];
    __syncthreads();
    if (c0 + ty < D2 && b0 + tx < D1) y[to] = lds[tx * (TILE + 1) + ty];
    __syncthreads();
  }
}
