// Maximum of floats through atomicMax on their bits, and atomicMin of ints.
#include <cuda_runtime.h>
#include <math.h>

__global__ void amax(const float* x, const int* k, int* bits, int* least, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        atomicMax(bits, __float_as_int(fabsf(x[i])));
        atomicMin(least + (i & 3), k[i]);
    }
}

int main() {
    float *x, *host_x = new float[777];
    int *k, *host_k = new int[777];
    int *b, *host_b = new int[1];
    int *l, *host_l = new int[4];
    cudaMalloc(&x, (777) * sizeof(float));
    cudaMalloc(&k, (777) * sizeof(int));
    cudaMalloc(&b, (1) * sizeof(int));
    cudaMalloc(&l, (4) * sizeof(int));
    cudaMemcpy(x, host_x, (777) * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(k, host_k, (777) * sizeof(int), cudaMemcpyHostToDevice);
    cudaMemcpy(b, host_b, (1) * sizeof(int), cudaMemcpyHostToDevice);
    cudaMemcpy(l, host_l, (4) * sizeof(int), cudaMemcpyHostToDevice);
    amax<<<7, 128>>>(x, k, b, l, 777);
    cudaMemcpy(host_b, b, (1) * sizeof(int), cudaMemcpyDeviceToHost);
    cudaMemcpy(host_l, l, (4) * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
