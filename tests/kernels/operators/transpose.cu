// y[a, c, b, d] = x[a, b, c, d]: an element of the output a thread.
#include <cuda_runtime.h>

#define D0 1
#define D1 24
#define D2 36
#define D3 1

__global__ void transpose(const float *x, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= D0 * D1 * D2 * D3) return;
    int d = i % D3;
    int b = (i / D3) % D1;
    int c = (i / (D3 * D1)) % D2;
    int a = i / (D3 * D1 * D2);
    y[i] = x[((a * D1 + b) * D2 + c) * D3 + d];
}
