// A sum in two passes: every block leaves a partial sum, one block adds those.
#include <cstdlib>
#include <cuda_runtime.h>

__global__ void block_sums(const float *values, float *partials, int n) {
    __shared__ float tile[64];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    tile[threadIdx.x] = i < n ? values[i] : 0.0f;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) tile[threadIdx.x] += tile[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) partials[blockIdx.x] = tile[0];
}

__global__ void add_partials(const float *partials, float *total, int blocks) {
    float sum = 0.0f;
    for (int i = 0; i < blocks; ++i) sum += partials[i];
    *total = sum;
}

int main() {
    const int n = 1000, threads = 64, blocks = (n + threads - 1) / threads;
    float *host = (float *)malloc(n * sizeof(float)), total;
    for (int i = 0; i < n; ++i) host[i] = 0.25f * (i % 9);
    float *d_values, *d_partials, *d_total;
    cudaMalloc(&d_values, n * sizeof(float));
    cudaMalloc(&d_partials, blocks * sizeof(float));
    cudaMalloc(&d_total, sizeof(float));
    cudaMemcpy(d_values, host, n * sizeof(float), cudaMemcpyHostToDevice);
    block_sums<<<blocks, threads>>>(d_values, d_partials, n);
    add_partials<<<1, 1>>>(d_partials, d_total, blocks);
    cudaMemcpy(&total, d_total, sizeof(float), cudaMemcpyDeviceToHost);
    cudaFree(d_values);
    cudaFree(d_partials);
    cudaFree(d_total);
    free(host);
    return 0;
}
