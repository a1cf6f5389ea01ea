#include <cstdio>

__global__ void copy(const float *x, float *y, int n) {
    printf("thread %d\n", threadIdx.x);
    y[threadIdx.x] = x[threadIdx.x];
}
