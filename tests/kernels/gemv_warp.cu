// Matrix-vector product with bias, one warp a row, four rows a block.
#include <cuda_runtime.h>

__global__ void gemv(const float* W, const float* x, const float* bias, float* y, int rows, int cols) {
    int warp = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    int lane = threadIdx.x % 32;
    if (warp >= rows) return;
    float acc = 0.0f;
    for (int c = lane; c < cols; c += 32) acc += W[warp * cols + c] * x[c];
    for (int o = 16; o > 0; o >>= 1) acc += __shfl_down_sync(0xffffffff, acc, o);
    if (lane == 0) y[warp] = acc + bias[warp];
}

int main() {
    int rows = 99, cols = 300;
    float *W, *x, *b, *y, *h = new float[rows * cols];
    cudaMalloc(&W, rows * cols * sizeof(float));
    cudaMalloc(&x, cols * sizeof(float));
    cudaMalloc(&b, rows * sizeof(float));
    cudaMalloc(&y, rows * sizeof(float));
    cudaMemcpy(W, h, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(x, h, cols * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, rows * sizeof(float), cudaMemcpyHostToDevice);
    gemv<<<(rows * 32 + 127) / 128, 128>>>(W, x, b, y, rows, cols);
    cudaMemcpy(h, y, rows * sizeof(float), cudaMemcpyDeviceToHost);
}
