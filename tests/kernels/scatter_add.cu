// Adds rows of src to rows of dst by index, with atomics.
#include <cuda_runtime.h>

__global__ void scatter_add(float* dst, const unsigned* index, const float* src, int n, int d, unsigned rows) {
    int i = blockIdx.x;
    int j = threadIdx.x;
    if (i < n && j < d) atomicAdd(&dst[(index[i] % rows) * d + j], src[i * d + j]);
}

int main() {
    int n = 60, d = 50;
    unsigned rows = 32, *ix, *hi = new unsigned[n];
    float *dst, *src, *h = new float[n * d];
    cudaMalloc(&dst, rows * d * sizeof(float));
    cudaMalloc(&src, n * d * sizeof(float));
    cudaMalloc(&ix, n * sizeof(unsigned));
    cudaMemcpy(dst, h, rows * d * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(src, h, n * d * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(ix, hi, n * sizeof(unsigned), cudaMemcpyHostToDevice);
    scatter_add<<<n, 64>>>(dst, ix, src, n, d, rows);
    cudaMemcpy(h, dst, rows * d * sizeof(float), cudaMemcpyDeviceToHost);
}
