#include <hip/hip_runtime.h>

#define M 3
#define N 16

// A wave a row; the lanes' sums come down by halves.
__global__ void gemv(const float* __restrict__ A, const float* __restrict__ x, float* __restrict__ y) {
  const int row = hipBlockIdx_x;
  float sum = 0.0f;
  for (int j = hipThreadIdx_x; j < N; j += 64) {
    sum += A[row * N + j] * x[j];
  }
  for (int delta = 32; delta > 0; delta >>= 1) {
    sum += __shfl_down(sum, delta);
  }
  if (hipThreadIdx_x == 0) y[row] = sum;
}
