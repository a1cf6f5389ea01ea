#include <math.h>

// A warp a row.
__global__ void softmax(const float* x, float* y, int rows, int cols) {
  int row = blockIdx.x * blockDim.y + threadIdx.y;
  int lane = threadIdx.x;
  if (row >= rows) return;
  const float* in = x + row * cols;
  float* out = y + row * cols;
  float most = -INFINITY;
  for (int c = lane; c < cols; c += 32) most = fmaxf(most, in[c]);
  for (int mask = 16; mask > 0; mask /= 2) {
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, mask));
  }
  float sum = 0.0f;
  for (int c = lane; c < cols; c += 32) sum += expf(in[c] - most);
  for (int mask = 16; mask > 0; mask /= 2) {
    sum += __shfl_xor_sync(0xffffffffu, sum, mask);
  }
  for (int c = lane; c < cols; c += 32) out[c] = expf(in[c] - most) / sum;
}
