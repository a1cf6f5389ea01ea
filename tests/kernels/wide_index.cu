// Unsigned and 64-bit index arithmetic: differences below zero, products beyond 32 bits in type only.
#include <cuda_runtime.h>
#include <stdint.h>

__global__ void reverse_shift(const float* x, float* y, uint64_t n, unsigned shift) {
    uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned j = (unsigned)i - shift;
    float v = j < n ? x[j] : 0.5f;
    long long back = (long long)n - 1 - (long long)i;
    size_t k = (i * 2654435761ull) % n;
    y[i] = v + 2.0f * x[back] + 3.0f * x[k];
}

int main() {
    uint64_t n = 700;
    float *x, *y, *h = new float[n];
    cudaMalloc(&x, n * sizeof(float));
    cudaMalloc(&y, n * sizeof(float));
    cudaMemcpy(x, h, n * sizeof(float), cudaMemcpyHostToDevice);
    reverse_shift<<<(unsigned)((n + 127) / 128), 128>>>(x, y, n, 5u);
    cudaMemcpy(h, y, n * sizeof(float), cudaMemcpyDeviceToHost);
}
