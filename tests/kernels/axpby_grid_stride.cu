// z = a x + b y with a grid-stride loop over unified memory.
#include <cuda_runtime.h>
#include <iostream>

__global__ void axpby(float *z, const float *x, const float *y, float a, float b, size_t n) {
    for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x)
        z[i] = a * x[i] + b * y[i];
}

int main() {
    const size_t n = 10007;
    float *x, *y, *z;
    cudaMallocManaged(&x, n * sizeof(float));
    cudaMallocManaged(&y, n * sizeof(float));
    cudaMallocManaged(&z, n * sizeof(float));
    for (size_t i = 0; i < n; ++i) {
        x[i] = static_cast<float>(i);
        y[i] = 1.0f - x[i];
    }
    axpby<<<16, 128>>>(z, x, y, 0.5f, -1.25f, n);
    cudaDeviceSynchronize();
    std::cout << z[0] << std::endl;
    cudaFree(x);
    cudaFree(y);
    cudaFree(z);
    return 0;
}
