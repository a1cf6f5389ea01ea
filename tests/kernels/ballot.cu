// Counts with __ballot_sync and __popc, and warp votes.
#include <cuda_runtime.h>

__global__ void votes(const float* x, int* count, int* any, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned b = __ballot_sync(0xffffffffu, i < n && x[i] > 0.f);
    int all = __all_sync(0xffffffffu, i >= n || x[i] > -0.9f);
    if ((threadIdx.x & 31) == 0) {
        count[i / 32] = __popc(b);
        any[i / 32] = all * 2 + (b != 0);
    }
}

int main() {
    float *x, *host_x = new float[300];
    int *c, *host_c = new int[12];
    int *a, *host_a = new int[12];
    cudaMalloc(&x, (300) * sizeof(float));
    cudaMalloc(&c, (12) * sizeof(int));
    cudaMalloc(&a, (12) * sizeof(int));
    cudaMemcpy(x, host_x, (300) * sizeof(float), cudaMemcpyHostToDevice);
    votes<<<3, 128>>>(x, c, a, 300);
    cudaMemcpy(host_c, c, (12) * sizeof(int), cudaMemcpyDeviceToHost);
    cudaMemcpy(host_a, a, (12) * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
