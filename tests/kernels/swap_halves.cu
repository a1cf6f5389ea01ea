// Swaps pairs of elements in place, half the threads.
#include <cuda_runtime.h>

__global__ void swap_pairs(float* x, int half) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < half) {
        float t = x[i];
        x[i] = x[i + half];
        x[i + half] = t;
    }
}

int main() {
    float *x, *host_x = new float[1000];
    cudaMalloc(&x, (1000) * sizeof(float));
    cudaMemcpy(x, host_x, (1000) * sizeof(float), cudaMemcpyHostToDevice);
    swap_pairs<<<8, 64>>>(x, 500);
    cudaMemcpy(host_x, x, (1000) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
