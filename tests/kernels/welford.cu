// Mean and variance of each row by Welford's recurrence, one thread a row.
#include <cuda_runtime.h>

__global__ void welford(const float* x, float* mean_out, float* var_out, int rows, int cols) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows) return;
    float mean = 0.0f, m2 = 0.0f;
    for (int c = 0; c < cols; ++c) {
        float delta = x[r * cols + c] - mean;
        mean += delta / (c + 1);
        m2 += delta * (x[r * cols + c] - mean);
    }
    mean_out[r] = mean;
    var_out[r] = m2 / (cols - 1);
}

int main() {
    int rows = 40, cols = 64;
    float *x, *m, *v, *h = new float[rows * cols];
    cudaMalloc(&x, rows * cols * sizeof(float));
    cudaMalloc(&m, rows * sizeof(float));
    cudaMalloc(&v, rows * sizeof(float));
    cudaMemcpy(x, h, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    welford<<<1, 64>>>(x, m, v, rows, cols);
    cudaMemcpy(h, m, rows * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(h, v, rows * sizeof(float), cudaMemcpyDeviceToHost);
}
