// Hillis-Steele scan of 256 floats in one array with two barriers a step.
#include <cuda_runtime.h>

__global__ void scan(const float* x, float* y) {
    __shared__ float s[256];
    int t = threadIdx.x;
    s[t] = x[blockIdx.x * 256 + t];
    for (int d = 1; d < 256; d <<= 1) {
        __syncthreads();
        float v = 0;
        if (t >= d) v = s[t - d];
        __syncthreads();
        s[t] += v;
    }
    y[blockIdx.x * 256 + t] = s[t];
}

int main() {
    float *x, *host_x = new float[512];
    float *y, *host_y = new float[512];
    cudaMalloc(&x, (512) * sizeof(float));
    cudaMalloc(&y, (512) * sizeof(float));
    cudaMemcpy(x, host_x, (512) * sizeof(float), cudaMemcpyHostToDevice);
    scan<<<2, 256>>>(x, y);
    cudaMemcpy(host_y, y, (512) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
