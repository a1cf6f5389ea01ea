// Scales each row so that its norm is at most one; some rows stay as they are.
#include <cuda_runtime.h>
#include <math.h>

__global__ void clip(const float* x, float* y, int cols, float limit) {
    __shared__ float s[64];
    const int t = threadIdx.x, r = blockIdx.x;
    float q = 0;
    for (int c = t; c < cols; c += blockDim.x) { float v = x[r * cols + c]; q = fmaf(v, v, q); }
    s[t] = q;
    __syncthreads();
    for (int h = 32; h; h /= 2) { if (t < h) s[t] += s[t + h]; __syncthreads(); }
    float norm = sqrtf(s[0]);
    if (norm > limit) {
        for (int c = t; c < cols; c += blockDim.x) y[r * cols + c] = x[r * cols + c] * (limit / norm);
    } else {
        for (int c = t; c < cols; c += blockDim.x) y[r * cols + c] = x[r * cols + c];
    }
}

int main() {
    float *x, *host_x = new float[25*90];
    float *y, *host_y = new float[25*90];
    cudaMalloc(&x, (25*90) * sizeof(float));
    cudaMalloc(&y, (25*90) * sizeof(float));
    cudaMemcpy(x, host_x, (25*90) * sizeof(float), cudaMemcpyHostToDevice);
    clip<<<25, 64>>>(x, y, 90, 5.4f);
    cudaMemcpy(host_y, y, (25*90) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
