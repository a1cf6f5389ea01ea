// Many math functions in one expression.
#include <cuda_runtime.h>
#include <math.h>

__global__ void mathy(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = fabsf(x[i]) + 0.1f;
    y[i] = log1pf(a) + expm1f(-a) + cbrtf(a) + exp2f(a) + log2f(a) + log10f(a) + hypotf(a, 1.f) + atan2f(x[i], a) +
           copysignf(a, x[i]) + fmodf(a, 0.3f) + floorf(x[i] * 10) + ceilf(x[i] * 3) + truncf(x[i] * 7) + roundf(x[i] * 5) +
           sinhf(a) + acosf(a * 0.5f) + powf(a, 1.5f) + erfcf(a) + __powf(a, 2.f) + __fdividef(1.f, a) + __frcp_rn(a);
}

int main() {
    float *x, *host_x = new float[400];
    float *y, *host_y = new float[400];
    cudaMalloc(&x, (400) * sizeof(float));
    cudaMalloc(&y, (400) * sizeof(float));
    cudaMemcpy(x, host_x, (400) * sizeof(float), cudaMemcpyHostToDevice);
    mathy<<<4, 128>>>(x, y, 400);
    cudaMemcpy(host_y, y, (400) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
