#define OUTER 1
#define AXIS 64
#define INNER 1

extern "C" __global__ void __launch_bounds__(64) max_kernel(float* __restrict__ x, float* __restrict__ y) {
  if (((((int)blockIdx.x) * 64) + ((int)threadIdx.x)) < (OUTER * INNER)) {
    y[((((int)blockIdx.x) * 64) + ((int)threadIdx.x))] = -3.402823e+38f;
    for (int k = 0; k < AXIS; ++k) {
      y[((((int)blockIdx.x) * 64) + ((int)threadIdx.x))] = max(y[((((int)blockIdx.x) * 64) + ((int)threadIdx.x))], x[((((((((int)blockIdx.x) * 64) + ((int)threadIdx.x)) / INNER) * AXIS) + k) * INNER) + (((((int)blockIdx.x) * 64) + ((int)threadIdx.x)) % INNER)]);
    }
  }
}
