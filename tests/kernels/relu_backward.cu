// Backward pass of ReLU with dropout: mask of bytes, gradient accumulated in place.
#include <cuda_runtime.h>

__global__ void relu_dropout_backward(const float* x, const float* dy, const unsigned char* keep, float* dx,
                                      float inv_p, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        float g = 0.0f;
        if (x[i] > 0.0f && keep[i]) g = dy[i] * inv_p;
        dx[i] += g;
    }
}

int main() {
    const int n = 3333;
    float *x, *dy, *dx, *h = new float[n];
    unsigned char *k, *hk = new unsigned char[n];
    cudaMalloc(&x, n * sizeof(float));
    cudaMalloc(&dy, n * sizeof(float));
    cudaMalloc(&dx, n * sizeof(float));
    cudaMalloc(&k, n);
    cudaMemcpy(x, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(dy, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(dx, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(k, hk, n, cudaMemcpyHostToDevice);
    relu_dropout_backward<<<10, 128>>>(x, dy, k, dx, 1.25f, n);
    cudaMemcpy(h, dx, n * sizeof(float), cudaMemcpyDeviceToHost);
}
