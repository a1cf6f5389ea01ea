#include <hip/hip_runtime.h>

#define N 60

extern "C" __global__ void __launch_bounds__(64) sign(float* __restrict__ x, float* __restrict__ y) {
  if (((((int)blockIdx.x) * 64) + ((int)threadIdx.x)) < N) {
    y[((((int)blockIdx.x) * 64) + ((int)threadIdx.x))] = ((0.000000e+00f < x[((((int)blockIdx.x) * 64) + ((int)threadIdx.x))]) ? 1.000000e+00f : ((x[((((int)blockIdx.x) * 64) + ((int)threadIdx.x))] < 0.000000e+00f) ? -1.000000e+00f : 0.000000e+00f));
  }
}
