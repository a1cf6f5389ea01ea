// Histogram of bytes with atomics on global memory.
#include <cuda_runtime.h>

__global__ void histogram(const unsigned char* data, unsigned int* bins, int n) {
    int i = threadIdx.x + blockIdx.x * blockDim.x;
    int stride = blockDim.x * gridDim.x;
    while (i < n) {
        atomicAdd(&bins[data[i]], 1);
        i += stride;
    }
}

int main() {
    const int n = 5000;
    unsigned char *d, *h = new unsigned char[n];
    unsigned int *bins, hb[256];
    cudaMalloc(&d, n);
    cudaMalloc(&bins, 256 * sizeof(unsigned int));
    cudaMemcpy(d, h, n, cudaMemcpyHostToDevice);
    cudaMemset(bins, 0, 256 * sizeof(unsigned int));
    histogram<<<10, 64>>>(d, bins, n);
    cudaMemcpy(hb, bins, sizeof(hb), cudaMemcpyDeviceToHost);
    return 0;
}
