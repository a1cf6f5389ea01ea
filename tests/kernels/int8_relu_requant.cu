// int8 residual add with requantisation: scale, round to nearest even, clamp, cast.
#include <cuda_runtime.h>
#include <stdint.h>

__device__ inline int8_t saturate(int v) { return (int8_t)min(127, max(-128, v)); }

__global__ void add_requant(const int8_t* a, const int8_t* b, int8_t* out, float sa, float sb,
                            float inv_so, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float real = a[i] * sa + b[i] * sb;
    out[i] = saturate(__float2int_rn(real * inv_so));
}

int main() {
    const int n = 6000;
    int8_t *a, *b, *o;
    int8_t *h = new int8_t[n];
    cudaMalloc(&a, n);
    cudaMalloc(&b, n);
    cudaMalloc(&o, n);
    cudaMemcpy(a, h, n, cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, n, cudaMemcpyHostToDevice);
    add_requant<<<(n + 255) / 256, 256>>>(a, b, o, 0.5f, 0.25f, 1.5f, n);
    cudaMemcpy(h, o, n, cudaMemcpyDeviceToHost);
}
