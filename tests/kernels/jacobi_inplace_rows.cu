// Smoothing of rows in place: a thread reads what it wrote one step before.
#include <cuda_runtime.h>

__global__ void smooth(float* x, int rows, int cols) {
    int r = threadIdx.x;
    if (r >= rows) return;
    float* p = x + r * cols;
    for (int c = 1; c < cols - 1; ++c) p[c] = 0.25f * p[c - 1] + 0.5f * p[c] + 0.25f * p[c + 1];
}

int main() {
    float *x, *host_x = new float[33*40];
    cudaMalloc(&x, (33*40) * sizeof(float));
    cudaMemcpy(x, host_x, (33*40) * sizeof(float), cudaMemcpyHostToDevice);
    smooth<<<1, 64>>>(x, 33, 40);
    cudaMemcpy(host_x, x, (33*40) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
