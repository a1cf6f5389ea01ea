#include <hip/hip_runtime.h>

#define ROWS 12
#define COLS 5
#define WAVE 64

// A wave a row, butterfly reductions without a mask.
__global__ __launch_bounds__(256) void softmax(const float* __restrict__ x, float* __restrict__ y) {
  const int lane = threadIdx.x % WAVE;
  const int row = blockIdx.x * (256 / WAVE) + threadIdx.x / WAVE;
  if (row >= ROWS) return;
  const float* in = x + row * COLS;
  float* out = y + row * COLS;

  float m = -INFINITY;
  for (int c = lane; c < COLS; c += WAVE) m = fmaxf(m, in[c]);
  for (int offset = WAVE / 2; offset > 0; offset >>= 1) m = fmaxf(m, __shfl_xor(m, offset));

  float sum = 0.0f;
  for (int c = lane; c < COLS; c += WAVE) {
    const float e = __expf(in[c] - m);
    out[c] = e;
    sum += e;
  }
  for (int offset = WAVE / 2; offset > 0; offset >>= 1) sum += __shfl_xor(sum, offset);

  const float scale = 1.0f / sum;
  for (int c = lane; c < COLS; c += WAVE) out[c] *= scale;
}
