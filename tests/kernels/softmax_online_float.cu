// Online softmax in float with fmaxf, one thread a row.
#include <cuda_runtime.h>

__global__ void online(const float* __restrict__ x, float* __restrict__ y, int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    float m = -INFINITY, d = 0.0f;
    for (int c = 0; c < cols; ++c) {
        float v = x[row * cols + c];
        float m_new = fmaxf(m, v);
        d = d * expf(m - m_new) + expf(v - m_new);
        m = m_new;
    }
    for (int c = 0; c < cols; ++c) y[row * cols + c] = expf(x[row * cols + c] - m) / d;
}

int main() {
    int rows = 65, cols = 77;
    float *x, *y, *h = new float[rows * cols];
    cudaMalloc(&x, rows * cols * 4);
    cudaMalloc(&y, rows * cols * 4);
    cudaMemcpy(x, h, rows * cols * 4, cudaMemcpyHostToDevice);
    online<<<(rows + 63) / 64, 64>>>(x, y, rows, cols);
    cudaMemcpy(h, y, rows * cols * 4, cudaMemcpyDeviceToHost);
}
