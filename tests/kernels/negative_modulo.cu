// Signed division and remainder of negative indices; a ring buffer.
#include <cuda_runtime.h>

__global__ void ring(const float* x, float* y, int n, int lag) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int j = ((i - lag) % n + n) % n;
    int k = (i - lag) / 4 + lag;
    y[i] = x[j] * 2.0f + (k >= 0 && k < n ? x[k] : -1.0f) + (float)((i - lag) % 4);
}

int main() {
    float *x, *host_x = new float[301];
    float *y, *host_y = new float[301];
    cudaMalloc(&x, (301) * sizeof(float));
    cudaMalloc(&y, (301) * sizeof(float));
    cudaMemcpy(x, host_x, (301) * sizeof(float), cudaMemcpyHostToDevice);
    ring<<<3, 128>>>(x, y, 301, 10);
    cudaMemcpy(host_y, y, (301) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
