// A block a row: maximum and sum by trees in shared memory.
#include <cuda_runtime.h>
#include <float.h>

#define ROWS 12
#define COLS 5
#define THREADS 64

__global__ void softmax(const float* x, float* y) {
    __shared__ float part[THREADS];
    const int t = threadIdx.x;
    const float* row = x + blockIdx.x * COLS;

    float m = -FLT_MAX;
    for (int c = t; c < COLS; c += THREADS) m = fmaxf(m, row[c]);
    part[t] = m;
    __syncthreads();
    for (int s = THREADS / 2; s > 0; s >>= 1) {
        if (t < s) part[t] = fmaxf(part[t], part[t + s]);
        __syncthreads();
    }
    m = part[0];
    __syncthreads();

    float sum = 0.0f;
    for (int c = t; c < COLS; c += THREADS) sum += expf(row[c] - m);
    part[t] = sum;
    __syncthreads();
    for (int s = THREADS / 2; s > 0; s >>= 1) {
        if (t < s) part[t] += part[t + s];
        __syncthreads();
    }
    const float inv = 1.0f / part[0];

    for (int c = t; c < COLS; c += THREADS) y[blockIdx.x * COLS + c] = expf(row[c] - m) * inv;
}
