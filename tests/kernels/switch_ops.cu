// An interpreter of four operations: switch with fall-through and default.
#include <cuda_runtime.h>

enum Op { ADD, SUB, MUL, MAXIMUM };

__global__ void apply(const int* op, const float* a, const float* b, float* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = a[i], y = b[i], r;
    switch (op[i] & 3) {
        case ADD:
            r = x + y;
            break;
        case SUB:
            y = -y;
            r = x + y;
            break;
        case MUL:
            r = x * y;
            break;
        default:
            r = x > y ? x : y;
    }
    out[i] = r;
}

int main() {
    const int n = 900;
    int *op, *ho = new int[n];
    float *a, *b, *o, *h = new float[n];
    cudaMalloc(&op, n * sizeof(int));
    cudaMalloc(&a, n * sizeof(float));
    cudaMalloc(&b, n * sizeof(float));
    cudaMalloc(&o, n * sizeof(float));
    cudaMemcpy(op, ho, n * sizeof(int), cudaMemcpyHostToDevice);
    cudaMemcpy(a, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, n * sizeof(float), cudaMemcpyHostToDevice);
    apply<<<(n + 255) / 256, 256>>>(op, a, b, o, n);
    cudaMemcpy(h, o, n * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
