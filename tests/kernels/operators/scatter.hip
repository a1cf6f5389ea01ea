#include <hip/hip_runtime.h>

#define OUTER 32
#define AXIS 128
#define INNER 32
#define COUNT 64

// An update a work item.
__global__ void scatter(const float* updates, const int* index, float* y) {
  const int i = hipBlockIdx_x * hipBlockDim_x + hipThreadIdx_x;
  if (i < OUTER * COUNT * INNER) {
    const int inner = i % INNER;
    const int k = i / INNER % COUNT;
    const int outer = i / INNER / COUNT;
    y[(outer * AXIS + index[k]) * INNER + inner] = updates[i];
  }
}
