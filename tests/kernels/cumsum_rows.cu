// Inclusive prefix sum of each row, one thread a row.
#include <cuda_runtime.h>

__global__ void cumsum(const float* x, float* y, int rows, int cols) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows) return;
    float running = 0;
    for (int c = 0; c < cols; ++c) {
        running += x[r * cols + c];
        y[r * cols + c] = running;
    }
}

int main() {
    int rows = 100, cols = 60;
    float *x, *y, *h = new float[rows * cols];
    cudaMalloc(&x, rows * cols * sizeof(float));
    cudaMalloc(&y, rows * cols * sizeof(float));
    cudaMemcpy(x, h, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    cumsum<<<(rows + 31) / 32, 32>>>(x, y, rows, cols);
    cudaMemcpy(h, y, rows * cols * sizeof(float), cudaMemcpyDeviceToHost);
}
