// Dynamic per-row int8 quantisation: the largest magnitude of a row gives its scale.
#include <cuda_runtime.h>
#include <cstdint>

__global__ void quantize(const float* x, int8_t* q, float* scales, int cols) {
    __shared__ float s_max[64];
    const int row = blockIdx.x, tid = threadIdx.x;
    float m = 0.f;
    for (int c = tid; c < cols; c += 64) m = fmaxf(m, fabsf(x[row * cols + c]));
    s_max[tid] = m;
    __syncthreads();
    for (int s = 32; s > 0; s >>= 1) {
        if (tid < s) s_max[tid] = fmaxf(s_max[tid], s_max[tid + s]);
        __syncthreads();
    }
    const float scale = s_max[0] / 127.f;
    if (tid == 0) scales[row] = scale;
    for (int c = tid; c < cols; c += 64) q[row * cols + c] = (int8_t)rintf(x[row * cols + c] / scale);
}

int main() {
    const int rows = 30, cols = 100;
    float *x, *s, *h = new float[rows * cols];
    int8_t *q, *hq = new int8_t[rows * cols];
    cudaMalloc(&x, rows * cols * sizeof(float));
    cudaMalloc(&q, rows * cols);
    cudaMalloc(&s, rows * sizeof(float));
    cudaMemcpy(x, h, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    quantize<<<rows, 64>>>(x, q, s, cols);
    cudaMemcpy(hq, q, rows * cols, cudaMemcpyDeviceToHost);
    cudaMemcpy(h, s, rows * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
