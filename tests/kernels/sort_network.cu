// Bitonic sort of 64 integers a block in shared memory.
#include <cuda_runtime.h>

__global__ void bitonic(int* values) {
    __shared__ int s[64];
    const unsigned tid = threadIdx.x;
    s[tid] = values[blockIdx.x * 64 + tid];
    __syncthreads();
    for (unsigned k = 2; k <= 64; k *= 2) {
        for (unsigned j = k / 2; j > 0; j /= 2) {
            unsigned ixj = tid ^ j;
            if (ixj > tid) {
                if ((tid & k) == 0) {
                    if (s[tid] > s[ixj]) { int t = s[tid]; s[tid] = s[ixj]; s[ixj] = t; }
                } else {
                    if (s[tid] < s[ixj]) { int t = s[tid]; s[tid] = s[ixj]; s[ixj] = t; }
                }
            }
            __syncthreads();
        }
    }
    values[blockIdx.x * 64 + tid] = s[tid];
}

int main() {
    int n = 64 * 5, *d, *h = new int[n];
    cudaMalloc(&d, n * sizeof(int));
    cudaMemcpy(d, h, n * sizeof(int), cudaMemcpyHostToDevice);
    bitonic<<<5, 64>>>(d);
    cudaMemcpy(h, d, n * sizeof(int), cudaMemcpyDeviceToHost);
}
