// Hillis-Steele inclusive scan of each block in double-buffered shared memory.
#include <cuda_runtime.h>

__global__ void scan(const int *g_idata, int *g_odata, int n) {
    extern __shared__ int temp[];
    int thid = threadIdx.x;
    int pout = 0, pin = 1;
    int g = blockIdx.x * n + thid;
    temp[pout * n + thid] = g_idata[g];
    __syncthreads();
    for (int offset = 1; offset < n; offset *= 2) {
        pout = 1 - pout;
        pin = 1 - pout;
        if (thid >= offset)
            temp[pout * n + thid] = temp[pin * n + thid] + temp[pin * n + thid - offset];
        else
            temp[pout * n + thid] = temp[pin * n + thid];
        __syncthreads();
    }
    g_odata[g] = temp[pout * n + thid];
}

int main() {
    const int n = 64, blocks = 7;
    int *a, *b, *h = new int[n * blocks];
    cudaMalloc(&a, n * blocks * sizeof(int));
    cudaMalloc(&b, n * blocks * sizeof(int));
    cudaMemcpy(a, h, n * blocks * sizeof(int), cudaMemcpyHostToDevice);
    scan<<<blocks, n, 2 * n * sizeof(int)>>>(a, b, n);
    cudaMemcpy(h, b, n * blocks * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
