#include <hip/hip_runtime.h>

#define OUTER 32
#define AXIS 128
#define INNER 32
#define COUNT 64

// Picked lines in y of the grid, several a block; 64-bit indices.
__global__ __launch_bounds__(256) void gather(const float* __restrict__ x, const long long* __restrict__ index,
                                              float* __restrict__ y) {
  const int line = blockIdx.x * blockDim.y + threadIdx.y;
  if (line >= OUTER * COUNT) return;
  const long long from = (long long)(line / COUNT) * AXIS + index[line % COUNT];
  for (int i = threadIdx.x; i < INNER; i += blockDim.x) y[line * INNER + i] = x[from * INNER + i];
}
