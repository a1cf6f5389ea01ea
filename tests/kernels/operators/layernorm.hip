#include <hip/hip_runtime.h>

#define B 1
#define S 4
#define D 32

// A wave a row, sums of x and of x * x in one pass; lanes beyond D hold zeros.
__global__ void layernorm(const float* __restrict__ x, const float* __restrict__ gamma,
                          const float* __restrict__ beta, float* __restrict__ y) {
  const int row = hipBlockIdx_x;
  const int lane = hipThreadIdx_x;
  float sum = 0.0f, squares = 0.0f;
  for (int d = lane; d < D; d += warpSize) {
    const float v = x[row * D + d];
    sum += v;
    squares += v * v;
  }
  for (int offset = warpSize / 2; offset > 0; offset /= 2) {
    sum += __shfl_xor(sum, offset);
    squares += __shfl_xor(squares, offset);
  }
  const float mean = sum / D;
  const float variance = fmaxf(squares / D - mean * mean, 0.0f);
  const float inverse = 1.0f / (sqrtf(variance) + 1e-5f);
  for (int d = lane; d < D; d += warpSize)
    y[row * D + d] = (x[row * D + d] - mean) * inverse * gamma[d] + beta[d];
}
