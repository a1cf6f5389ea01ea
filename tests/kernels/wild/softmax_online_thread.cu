// One thread a row, maximum and sum in one pass over the row.
#include <cuda_runtime.h>
#include <float.h>

#define CEIL_DIV(m, n) (((m) + (n) - 1) / (n))

struct MaxSum {
  float max;
  float sum;

  __device__ __forceinline__ void push(float x) {
    const float larger = max > x ? max : x;
    sum = sum * __expf(max - larger) + __expf(x - larger);
    max = larger;
  }
};

// x, y : rows * cols, `temperature` divides the logits
__global__ void online_softmax(const float* __restrict__ x, float* __restrict__ y, int rows, int cols,
                               float temperature) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;

  const float scale = 1.0f / temperature;
  const float* in = x + (size_t)row * cols;
  float* out = y + (size_t)row * cols;

  MaxSum state = {-FLT_MAX, 0.0f};
  for (int c = 0; c < cols; ++c) state.push(in[c] * scale);

  const float norm = 1.0f / state.sum;
  for (int c = 0; c < cols; ++c) out[c] = __expf(in[c] * scale - state.max) * norm;
}
