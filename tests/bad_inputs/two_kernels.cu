__global__ void first(const float *x, float *y, int n) { y[threadIdx.x] = x[threadIdx.x]; }
__global__ void second(const float *x, float *y, int n) { y[threadIdx.x] = -x[threadIdx.x]; }
