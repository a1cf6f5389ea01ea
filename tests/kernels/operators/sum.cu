// An output a thread, walking along the axis.
#include <cuda_runtime.h>

#define OUTER 1
#define AXIS 64
#define INNER 1

__global__ void sum(const float *x, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < OUTER * INNER) {
        int outer = i / INNER, inner = i % INNER;
        float total = 0.0f;
        for (int k = 0; k < AXIS; k++) {
            total += x[(outer * AXIS + k) * INNER + inner];
        }
        y[i] = total;
    }
}
