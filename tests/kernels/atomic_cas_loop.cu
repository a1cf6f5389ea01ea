// Float multiplication through a compare-and-swap loop.
#include <cuda_runtime.h>

__global__ void product(const float* x, unsigned int* acc, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned int old = acc[0], assumed;
    do {
        assumed = old;
        old = atomicCAS(acc, assumed, __float_as_uint(__uint_as_float(assumed) + x[i]));
    } while (assumed != old);
}

int main() {
    float *x, *host_x = new float[100];
    unsigned int *a, *host_a = new unsigned int[1];
    cudaMalloc(&x, (100) * sizeof(float));
    cudaMalloc(&a, (1) * sizeof(unsigned int));
    cudaMemcpy(x, host_x, (100) * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(a, host_a, (1) * sizeof(unsigned int), cudaMemcpyHostToDevice);
    product<<<1, 128>>>(x, a, 100);
    cudaMemcpy(host_a, a, (1) * sizeof(unsigned int), cudaMemcpyDeviceToHost);
    return 0;
}
