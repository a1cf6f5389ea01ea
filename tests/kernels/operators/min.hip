#include <float.h>
#include <hip/hip_runtime.h>

#define OUTER 1
#define AXIS 64
#define INNER 1

__device__ __forceinline__ float smaller(float a, float b) { return b < a ? b : a; }

// Outputs across x, the axis across y of the block; the first row of work items finishes.
__global__ void min_kernel(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float rows[4][64];
  const int out = hipBlockIdx_x * 64 + hipThreadIdx_x;
  float v = FLT_MAX;
  if (out < OUTER * INNER) {
    for (int k = hipThreadIdx_y; k < AXIS; k += 4)
      v = smaller(v, x[(out / INNER * AXIS + k) * INNER + out % INNER]);
  }
  rows[hipThreadIdx_y][hipThreadIdx_x] = v;
  __syncthreads();
  if (hipThreadIdx_y == 0 && out < OUTER * INNER) {
    const int t = hipThreadIdx_x;
    y[out] = smaller(smaller(rows[0][t], rows[1][t]), smaller(rows[2][t], rows[3][t]));
  }
}
