// The approximation by tanh, two elements a thread.
#include <cuda_runtime.h>

#define N 60
#define SQRT_2_OVER_PI 0.79788456f

__global__ void gelu_tanh(const float *x, float *y)
{
    const int first = 2 * (blockIdx.x * blockDim.x + threadIdx.x);
    for (int i = first; i < first + 2 && i < N; i++) {
        float v = x[i];
        float cube = 0.044715f * v * v * v;
        y[i] = 0.5f * v * (1.0f + tanhf(SQRT_2_OVER_PI * (v + cube)));
    }
}
