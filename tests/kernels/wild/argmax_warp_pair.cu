// Arg-max of each row, a warp a row, pairs of value and column. Ties go to the lower column.
#include <cuda_runtime.h>
#include <math.h>

typedef struct {
  float v;
  int i;
} pair_t;

static __device__ inline pair_t better(pair_t a, pair_t b) {
  if (b.v > a.v || (b.v == a.v && b.i < a.i)) return b;
  return a;
}

static __device__ inline pair_t shuffle_down(pair_t p, int delta) {
  pair_t other;
  other.v = __shfl_down_sync(0xffffffff, p.v, delta);
  other.i = __shfl_down_sync(0xffffffff, p.i, delta);
  return other;
}

__global__ void argmax_rows(const float *x, int *index, float *value, int rows, int cols) {
  const int warps_per_block = blockDim.x / warpSize;
  const int row = blockIdx.x * warps_per_block + threadIdx.x / warpSize;
  const int lane = threadIdx.x % warpSize;
  if (row >= rows) return;

  pair_t best;
  best.v = -INFINITY;
  best.i = cols;
  for (int c = lane; c < cols; c += warpSize) {
    pair_t here;
    here.v = x[(size_t)row * cols + c];
    here.i = c;
    best = better(best, here);
  }
  for (int delta = warpSize / 2; delta > 0; delta /= 2) best = better(best, shuffle_down(best, delta));

  if (lane == 0) {
    index[row] = best.i;
    value[row] = best.v;
  }
}
