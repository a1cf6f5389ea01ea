#include <hip/hip_runtime.h>

#define ROWS 12
#define COLS 5

// A work item a row: running maximum and sum in one pass, then the quotients.
__global__ void softmax_thread(const float* x, float* y) {
  const int row = hipBlockIdx_x * hipBlockDim_x + hipThreadIdx_x;
  if (row < ROWS) {
    float m = x[row * COLS], d = 1.0f;
    for (int c = 1; c < COLS; ++c) {
      const float v = x[row * COLS + c];
      const float next = v > m ? v : m;
      d = d * expf(m - next) + expf(v - next);
      m = next;
    }
    for (int c = 0; c < COLS; ++c) {
      y[row * COLS + c] = expf(x[row * COLS + c] - m) / d;
    }
  }
}
