// y[o, k, i] = x[o, index[k], i].
#include <cuda_runtime.h>

#define OUTER 32
#define AXIS 128
#define INNER 32
#define COUNT 64

__global__ void gather(const float* __restrict__ x, const int* __restrict__ index, float* __restrict__ y) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= OUTER * COUNT * INNER) return;
  const int inner = i % INNER;
  const int k = i / INNER % COUNT;
  const int outer = i / (INNER * COUNT);
  y[i] = x[(outer * AXIS + index[k]) * INNER + inner];
}
