// Complex product of interleaved pairs with float2, and conjugate.
#include <cuda_runtime.h>

__device__ float2 cmul(float2 a, float2 b) { return make_float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }
__global__ void cm(const float2* a, const float2* b, float2* c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) { float2 v = cmul(a[i], b[i]); v.y = -v.y; c[i] = v; }
}

int main() {
    float2 *a, *host_a = new float2[300];
    float2 *b, *host_b = new float2[300];
    float2 *c, *host_c = new float2[300];
    cudaMalloc(&a, (300) * sizeof(float2));
    cudaMalloc(&b, (300) * sizeof(float2));
    cudaMalloc(&c, (300) * sizeof(float2));
    cudaMemcpy(a, host_a, (300) * sizeof(float2), cudaMemcpyHostToDevice);
    cudaMemcpy(b, host_b, (300) * sizeof(float2), cudaMemcpyHostToDevice);
    cm<<<3, 128>>>(a, b, c, 300);
    cudaMemcpy(host_c, c, (300) * sizeof(float2), cudaMemcpyDeviceToHost);
    return 0;
}
