// A warp an output, in a block of eight; lanes keep two minima each.
#include <cuda_runtime.h>

#define OUTER 1
#define AXIS 64
#define INNER 1

__global__ void min_kernel(const float* __restrict__ x, float* __restrict__ y) {
  const int out = blockIdx.x * 8 + threadIdx.y;
  const int lane = threadIdx.x;
  if (out >= OUTER * INNER) return;
  const float* line = x + (out / INNER) * AXIS * INNER + out % INNER;

  float even = INFINITY, odd = INFINITY;
  for (int k = 2 * lane; k < AXIS; k += 64) {
    even = fminf(even, line[k * INNER]);
    if (k + 1 < AXIS) odd = fminf(odd, line[(k + 1) * INNER]);
  }
  float least = fminf(even, odd);
  least = fminf(least, __shfl_xor_sync(0xffffffff, least, 16));
  least = fminf(least, __shfl_xor_sync(0xffffffff, least, 8));
  least = fminf(least, __shfl_xor_sync(0xffffffff, least, 4));
  least = fminf(least, __shfl_xor_sync(0xffffffff, least, 2));
  least = fminf(least, __shfl_xor_sync(0xffffffff, least, 1));
  if (lane == 0) y[out] = least;
}
