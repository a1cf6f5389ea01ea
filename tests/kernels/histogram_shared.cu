// Histogram with private bins in shared memory, merged with atomics.
#include <cuda_runtime.h>

#define NUM_BINS 16

__global__ void hist(const unsigned int* input, unsigned int* bins, unsigned int num) {
    __shared__ unsigned int local[NUM_BINS];
    for (unsigned int b = threadIdx.x; b < NUM_BINS; b += blockDim.x) local[b] = 0u;
    __syncthreads();
    unsigned int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < num) atomicAdd(&local[input[i] % NUM_BINS], 1u);
    __syncthreads();
    for (unsigned int b = threadIdx.x; b < NUM_BINS; b += blockDim.x) atomicAdd(&bins[b], local[b]);
}

int main() {
    const int n = 3000;
    unsigned int *in, *bins, *h = new unsigned int[n];
    cudaMalloc(&in, n * sizeof(unsigned int));
    cudaMalloc(&bins, NUM_BINS * sizeof(unsigned int));
    cudaMemcpy(in, h, n * sizeof(unsigned int), cudaMemcpyHostToDevice);
    cudaMemset(bins, 0, NUM_BINS * sizeof(unsigned int));
    hist<<<(n + 127) / 128, 128>>>(in, bins, n);
    cudaMemcpy(h, bins, NUM_BINS * sizeof(unsigned int), cudaMemcpyDeviceToHost);
}
