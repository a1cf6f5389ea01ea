#include <hip/hip_runtime.h>

#define OUTER 1
#define AXIS 64
#define INNER 1

// A work item an output, four sums beside each other.
__global__ void mean(const float* x, float* y) {
  const int i = hipBlockIdx_x * hipBlockDim_x + hipThreadIdx_x;
  if (i >= OUTER * INNER) return;
  const float* p = x + (i / INNER) * (AXIS * INNER) + i % INNER;
  float s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
  int k = 0;
  for (; k + 3 < AXIS; k += 4) {
    s0 += p[k * INNER];
    s1 += p[(k + 1) * INNER];
    s2 += p[(k + 2) * INNER];
    s3 += p[(k + 3) * INNER];
  }
  for (; k < AXIS; ++k) s0 += p[k * INNER];
  y[i] = ((s0 + s1) + (s2 + s3)) / (float)AXIS;
}
