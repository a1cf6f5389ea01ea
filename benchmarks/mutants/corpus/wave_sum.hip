#include <hip/hip_runtime.h>

// A wave of 64 lanes a row.
__global__ void wave_sum(const float* x, float* y, int rows, int cols) {
  int lane = threadIdx.x;
  int row = blockIdx.x * blockDim.y + threadIdx.y;
  float sum = 0.0f;
  if (row < rows) {
    for (int c = lane; c < cols; c += 64) sum += x[row * cols + c];
  }
  for (int delta = 32; delta > 0; delta >>= 1) sum += __shfl_down(sum, delta);
  if (lane == 0 && row < rows) y[row] = sum;
}
