// Inclusive scan of a warp with __shfl_up_sync, warp sums in shared memory.
#include <cuda_runtime.h>

__global__ void scan(const int* x, int* y, int n) {
    __shared__ int sums[4];
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int v = i < n ? x[i] : 0;
    for (int d = 1; d < 32; d *= 2) {
        int u = __shfl_up_sync(0xffffffff, v, d);
        if (lane >= d) v += u;
    }
    if (lane == 31) sums[warp] = v;
    __syncthreads();
    int base = 0;
    for (int w = 0; w < warp; ++w) base += sums[w];
    if (i < n) y[i] = base + v;
}

int main() {
    int *x, *host_x = new int[500];
    int *y, *host_y = new int[500];
    cudaMalloc(&x, (500) * sizeof(int));
    cudaMalloc(&y, (500) * sizeof(int));
    cudaMemcpy(x, host_x, (500) * sizeof(int), cudaMemcpyHostToDevice);
    scan<<<4, 128>>>(x, y, 500);
    cudaMemcpy(host_y, y, (500) * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
