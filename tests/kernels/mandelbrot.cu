// Escape-time iteration with a data-dependent exit.
#include <cuda_runtime.h>

__global__ void mandelbrot(const float* cr, const float* ci, int* steps, int n, int limit) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = 0, y = 0, x0 = 2.0f * cr[i], y0 = 2.0f * ci[i];
    int k = 0;
    while (x * x + y * y <= 4.0f && k < limit) {
        float t = x * x - y * y + x0;
        y = 2.0f * x * y + y0;
        x = t;
        ++k;
    }
    steps[i] = k;
}

int main() {
    const int n = 1500;
    float *a, *b, *h = new float[n];
    int *s, *hs = new int[n];
    cudaMalloc(&a, n * sizeof(float));
    cudaMalloc(&b, n * sizeof(float));
    cudaMalloc(&s, n * sizeof(int));
    cudaMemcpy(a, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, n * sizeof(float), cudaMemcpyHostToDevice);
    mandelbrot<<<(n + 63) / 64, 64>>>(a, b, s, n, 40);
    cudaMemcpy(hs, s, n * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
