#define N 64

extern "C" __global__ void __launch_bounds__(256) sub(float* __restrict__ a, float* __restrict__ b, float* __restrict__ c) {
  if (((((int)blockIdx.x) * 256) + ((int)threadIdx.x)) < N) {
    c[((((int)blockIdx.x) * 256) + ((int)threadIdx.x))] = (a[((((int)blockIdx.x) * 256) + ((int)threadIdx.x))] - b[((((int)blockIdx.x) * 256) + ((int)threadIdx.x))]);
  }
}
