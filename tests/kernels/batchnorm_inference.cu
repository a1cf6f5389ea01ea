// Batch normalisation with running statistics, NCHW, and ReLU.
#include <cuda_runtime.h>

__global__ void bn_relu(const float* x, const float* mean, const float* var, const float* gamma,
                        const float* beta, float* y, int total, int channels, int spatial, float eps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= total) return;
    int c = (i / spatial) % channels;
    float n = (x[i] - mean[c]) / sqrtf(fabsf(var[c]) + eps);
    y[i] = fmaxf(n * gamma[c] + beta[c], 0.f);
}

int main() {
    const int N = 2, C = 6, S = 11 * 9, total = N * C * S;
    float *x, *m, *v, *g, *b, *y, *h = new float[total];
    cudaMalloc(&x, total * 4);
    cudaMalloc(&m, C * 4);
    cudaMalloc(&v, C * 4);
    cudaMalloc(&g, C * 4);
    cudaMalloc(&b, C * 4);
    cudaMalloc(&y, total * 4);
    cudaMemcpy(x, h, total * 4, cudaMemcpyHostToDevice);
    cudaMemcpy(m, h, C * 4, cudaMemcpyHostToDevice);
    cudaMemcpy(v, h, C * 4, cudaMemcpyHostToDevice);
    cudaMemcpy(g, h, C * 4, cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, C * 4, cudaMemcpyHostToDevice);
    bn_relu<<<(total + 255) / 256, 256>>>(x, m, v, g, b, y, total, C, S, 1e-5f);
    cudaMemcpy(h, y, total * 4, cudaMemcpyDeviceToHost);
}
