// Half-precision arithmetic with the intrinsics and with operators.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

__global__ void half_fma(const half* a, const half* b, const half* c, half* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        half p = __hmul(a[i], b[i]);
        out[i] = __hadd(p, c[i]) - a[i];
    }
}

int main() {
    const int n = 2050;
    half *a, *b, *c, *out;
    half* h = new half[n];
    cudaMalloc(&a, n * sizeof(half));
    cudaMalloc(&b, n * sizeof(half));
    cudaMalloc(&c, n * sizeof(half));
    cudaMalloc(&out, n * sizeof(half));
    cudaMemcpy(a, h, n * sizeof(half), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, n * sizeof(half), cudaMemcpyHostToDevice);
    cudaMemcpy(c, h, n * sizeof(half), cudaMemcpyHostToDevice);
    half_fma<<<(n + 255) / 256, 256>>>(a, b, c, out, n);
    cudaMemcpy(h, out, n * sizeof(half), cudaMemcpyDeviceToHost);
    return 0;
}
