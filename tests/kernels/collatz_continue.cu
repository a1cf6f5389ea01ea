// Sum of a row's positive elements until it exceeds a limit; continue and a compound exit.
#include <cuda_runtime.h>

__global__ void limited_sum(const float* x, float* out, int rows, int cols, float limit) {
    int r = threadIdx.x + blockDim.x * blockIdx.x;
    if (r >= rows) return;
    float total = 0.0f;
    for (int c = cols - 1; c >= 0; c -= 1) {
        if (!(x[r * cols + c] > 0.0f)) continue;
        total += x[r * cols + c];
        if (total > limit) break;
    }
    out[r] = total;
}

int main() {
    int rows = 130, cols = 25;
    float *x, *o, *h = new float[rows * cols];
    cudaMalloc(&x, rows * cols * sizeof(float));
    cudaMalloc(&o, rows * sizeof(float));
    cudaMemcpy(x, h, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    limited_sum<<<3, 64>>>(x, o, rows, cols, 4.0f);
    cudaMemcpy(h, o, rows * sizeof(float), cudaMemcpyDeviceToHost);
}
