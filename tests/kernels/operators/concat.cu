// Along the middle axis: an element of the output a thread, which picks its source.
#include <cuda_runtime.h>

#define OUTER 1
#define CA 64
#define CB 32
#define INNER 3136

__global__ void concat(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ y) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= OUTER * (CA + CB) * INNER) return;
  const int inner = i % INNER;
  const int c = i / INNER % (CA + CB);
  const int outer = i / INNER / (CA + CB);
  y[i] = c < CA ? a[(outer * CA + c) * INNER + inner] : b[(outer * CB + c - CA) * INNER + inner];
}
