#include <hip/hip_runtime.h>

__global__ void rmsnorm(const float* x, const float* g, float* y, int cols) {
  HIP_DYNAMIC_SHARED(float, part)
  int t = threadIdx.x;
  float squares = 0.0f;
  for (int c = t; c < cols; c += blockDim.x) {
    float v = x[blockIdx.x * cols + c];
    squares += v * v;
  }
  part[t] = squares;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half >>= 1) {
    if (t < half) part[t] = part[t] + part[t + half];
    __syncthreads();
  }
  float scale = rsqrtf(part[0] / cols + 0.25f);
  for (int c = t; c < cols; c += blockDim.x) {
    y[blockIdx.x * cols + c] = x[blockIdx.x * cols + c] * scale * g[c];
  }
}
