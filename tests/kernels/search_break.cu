// Finds the first element of a row above a threshold: break, continue and do-while.
#include <cuda_runtime.h>

__global__ void first_above(const float* x, int* where, int* steps, int rows, int cols, float threshold) {
    const int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r < rows) {
        int found = -1;
        for (int c = 0; c < cols; ++c) {
            const float v = x[r * cols + c];
            if (v < 0.0f) continue;
            if (v > threshold) {
                found = c;
                break;
            }
        }
        where[r] = found;
        int v = found + 30, n = 0;
        do {
            v = (v & 1) ? 3 * v + 1 : v / 2;
            n++;
        } while (v > 1 && n < 50);
        steps[r] = n;
    }
}

int main() {
    int rows = 100, cols = 20, *w, *s, *h = new int[rows];
    float *x, *hx = new float[rows * cols];
    cudaMalloc(&x, rows * cols * sizeof(float));
    cudaMalloc(&w, rows * sizeof(int));
    cudaMalloc(&s, rows * sizeof(int));
    cudaMemcpy(x, hx, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    first_above<<<2, 64>>>(x, w, s, rows, cols, 0.75f);
    cudaMemcpy(h, w, rows * sizeof(int), cudaMemcpyDeviceToHost);
    cudaMemcpy(h, s, rows * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
