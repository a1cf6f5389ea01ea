// 1-D convolution with an odd mask in constant memory, zero padding.
#include <cuda_runtime.h>

#define MASK_WIDTH 5
__constant__ float M[MASK_WIDTH];

__global__ void conv1d(const float* N, float* P, int width) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= width) return;
    float value = 0;
    int start = i - (MASK_WIDTH / 2);
    for (int j = 0; j < MASK_WIDTH; j++) {
        if (start + j >= 0 && start + j < width) value += N[start + j] * M[j];
    }
    P[i] = value;
}

int main() {
    const int width = 777;
    float mask[MASK_WIDTH] = {0.1f, 0.2f, 0.4f, 0.2f, 0.1f};
    float *n, *p, *h = new float[width];
    cudaMalloc(&n, width * sizeof(float));
    cudaMalloc(&p, width * sizeof(float));
    cudaMemcpyToSymbol(M, mask, sizeof(mask));
    cudaMemcpy(n, h, width * sizeof(float), cudaMemcpyHostToDevice);
    conv1d<<<(width + 127) / 128, 128>>>(n, p, width);
    cudaMemcpy(h, p, width * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
