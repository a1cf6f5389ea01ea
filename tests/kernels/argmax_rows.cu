// Argmax and maximum of each row, one thread a row; the first of equal elements wins.
#include <cuda_runtime.h>

__global__ void argmax(const float* x, int* index, float* value, int rows, int cols) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r < rows) {
        int best = 0;
        float most = x[r * cols];
        for (int c = 1; c < cols; ++c) {
            float v = x[r * cols + c];
            if (v > most) {
                most = v;
                best = c;
            }
        }
        index[r] = best;
        value[r] = most;
    }
}

int main() {
    int rows = 90, cols = 50, *i, *hi = new int[rows];
    float *x, *v, *h = new float[rows * cols];
    cudaMalloc(&x, rows * cols * sizeof(float));
    cudaMalloc(&i, rows * sizeof(int));
    cudaMalloc(&v, rows * sizeof(float));
    cudaMemcpy(x, h, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    argmax<<<(rows + 63) / 64, 64>>>(x, i, v, rows, cols);
    cudaMemcpy(hi, i, rows * sizeof(int), cudaMemcpyDeviceToHost);
    cudaMemcpy(h, v, rows * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
