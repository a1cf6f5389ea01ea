#include <hip/hip_runtime.h>

__global__ void softmax(const float* x, float* y, int cols) {
  int lane = threadIdx.x;
  const float* in = x + blockIdx.x * cols;
  float most = -INFINITY;
  for (int c = lane; c < cols; c += 64) most = fmaxf(most, in[c]);
  for (int mask = 32; mask > 0; mask >>= 1) most = fmaxf(most, __shfl_xor(most, mask));
  float sum = 0.0f;
  for (int c = lane; c < cols; c += 64) sum += __expf(in[c] - most);
  for (int mask = 32; mask > 0; mask >>= 1) sum += __shfl_xor(sum, mask);
  for (int c = lane; c < cols; c += 64) {
    y[blockIdx.x * cols + c] = __expf(in[c] - most) / sum;
  }
}
