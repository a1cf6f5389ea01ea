__device__ float power(float x, int n) { return n == 0 ? 1.0f : x * power(x, n - 1); }

__global__ void copy(const float *x, float *y, int n) { y[threadIdx.x] = power(x[threadIdx.x], n); }
