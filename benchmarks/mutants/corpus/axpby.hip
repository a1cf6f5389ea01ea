#include <hip/hip_runtime.h>

__global__ void axpby(const float* x, const float* z, float* y, float a, float b, int n) {
  int step = hipGridDim_x * hipBlockDim_x;
  for (int i = hipBlockIdx_x * hipBlockDim_x + hipThreadIdx_x; i < n; i += step) {
    y[i] = a * x[i] + b * z[i];
  }
}
