// One shared array for two purposes, with the barrier between them.
#include <cuda_runtime.h>

__global__ void reuse(const float* a, const float* b, float* c) {
    __shared__ float s[2][33];
    int t = threadIdx.x, base = blockIdx.x * 32;
    s[0][t] = a[base + t];
    s[1][t] = b[base + 31 - t];
    __syncthreads();
    float v = s[0][31 - t] + s[1][(t + 5) % 32];
    __syncthreads();
    s[0][t] = v * v;
    if (t == 0) s[0][32] = s[1][7];
    __syncthreads();
    c[base + t] = s[0][(t * 7) % 32] - s[0][32] * s[0][t];
}

int main() {
    float *a, *host_a = new float[32*5];
    float *b, *host_b = new float[32*5];
    float *c, *host_c = new float[32*5];
    cudaMalloc(&a, (32*5) * sizeof(float));
    cudaMalloc(&b, (32*5) * sizeof(float));
    cudaMalloc(&c, (32*5) * sizeof(float));
    cudaMemcpy(a, host_a, (32*5) * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, host_b, (32*5) * sizeof(float), cudaMemcpyHostToDevice);
    reuse<<<5, 32>>>(a, b, c);
    cudaMemcpy(host_c, c, (32*5) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
