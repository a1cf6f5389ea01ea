// Pointers that advance in loops, pre- and post-increment, comma expressions, a row at a time.
#include <cuda_runtime.h>

__global__ void walk(const float* a, const float* b, float* c, int rows, int cols) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows) return;
    const float *pa = a + r * cols, *end = pa + cols;
    const float *pb = b + (rows - 1 - r) * cols;
    float* pc = &c[r * cols];
    while (pa != end) {
        *pc++ = *pa++ - *pb;
        ++pb;
    }
    float total = 0.f;
    int i, j;
    for (i = 0, j = cols - 1; i < j; ++i, --j) total += pc[-1 - i] * c[r * cols + i];
    pc[-1] = total;
}

int main() {
    int rows = 70, cols = 18;
    float *a, *b, *c, *h = new float[rows * cols];
    cudaMalloc(&a, rows * cols * sizeof(float));
    cudaMalloc(&b, rows * cols * sizeof(float));
    cudaMalloc(&c, rows * cols * sizeof(float));
    cudaMemcpy(a, h, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    walk<<<(rows + 31) / 32, 32>>>(a, b, c, rows, cols);
    cudaMemcpy(h, c, rows * cols * sizeof(float), cudaMemcpyDeviceToHost);
}
