#include <cuda_fp16.h>

__global__ void half_fma(const __half* x, const __half* w, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    float a = __half2float(x[i]);
    float b = __half2float(w[i]);
    y[i] = a * b + 0.5f * a;
  }
}
