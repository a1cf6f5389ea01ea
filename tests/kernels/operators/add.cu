// c = a + b, an element a thread.
#include <cuda_runtime.h>

#define N 64

__global__ void add(const float *a, const float *b, float *c) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < N) c[i] = a[i] + b[i];
}
