// Reverses each block's tile in place through shared memory.
#include <cuda_runtime.h>

__global__ void rev(int* d, int n) {
    __shared__ int s[64];
    int t = threadIdx.x, g = blockIdx.x * 64 + t;
    s[t] = d[g];
    __syncthreads();
    d[g] = s[63 - t];
}

int main() {
    int *d, *host_d = new int[64*6];
    cudaMalloc(&d, (64*6) * sizeof(int));
    cudaMemcpy(d, host_d, (64*6) * sizeof(int), cudaMemcpyHostToDevice);
    rev<<<6, 64>>>(d, 384);
    cudaMemcpy(host_d, d, (64*6) * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
