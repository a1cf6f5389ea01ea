// The condition of an if is evaluated once: its body changes what it read.
#include <cuda_runtime.h>

__global__ void guarded(const float* a, const float* b, float* low, float* high, int* moved, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = a[i], y = b[i];
    int m = 0;
    if (x > y) {
        float t = x;
        x = y;
        y = t;
        m = 1;
    }
    low[i] = x;
    high[i] = y;
    low[i] += 1.0f;
    if (low[i] > 1.5f) {
        low[i] = 0.0f;
        high[i] = -1.0f;
        m += 2;
    }
    moved[i] = m;
}

int main() {
    const int n = 700;
    float *a, *b, *l, *u, *h = new float[n];
    int *m, *hm = new int[n];
    cudaMalloc(&a, n * sizeof(float));
    cudaMalloc(&b, n * sizeof(float));
    cudaMalloc(&l, n * sizeof(float));
    cudaMalloc(&u, n * sizeof(float));
    cudaMalloc(&m, n * sizeof(int));
    cudaMemcpy(a, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, n * sizeof(float), cudaMemcpyHostToDevice);
    guarded<<<(n + 127) / 128, 128>>>(a, b, l, u, m, n);
    cudaMemcpy(h, l, n * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(h, u, n * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(hm, m, n * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
