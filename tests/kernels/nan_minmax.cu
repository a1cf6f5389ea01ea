// Comparisons that treat NaN in their own way, fmaxf and isnan, infinities.
#include <cuda_runtime.h>
#include <math.h>

__global__ void nans(const float* x, float* a, float* b, int* c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i] < -0.5f ? sqrtf(x[i]) : x[i];
    a[i] = fmaxf(v, -0.25f);
    b[i] = v > -0.25f ? v : -0.25f;
    c[i] = isnan(v) ? 1 : !(v >= 0.f) ? 2 : (v != v) + 3;
}

int main() {
    float *x, *host_x = new float[500];
    float *a, *host_a = new float[500];
    float *b, *host_b = new float[500];
    int *c, *host_c = new int[500];
    cudaMalloc(&x, (500) * sizeof(float));
    cudaMalloc(&a, (500) * sizeof(float));
    cudaMalloc(&b, (500) * sizeof(float));
    cudaMalloc(&c, (500) * sizeof(int));
    cudaMemcpy(x, host_x, (500) * sizeof(float), cudaMemcpyHostToDevice);
    nans<<<4, 128>>>(x, a, b, c, 500);
    cudaMemcpy(host_a, a, (500) * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(host_b, b, (500) * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(host_c, c, (500) * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
