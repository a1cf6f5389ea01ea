// Concatenates two matrices along the columns.
#include <cuda_runtime.h>

__global__ void concat(const float* a, const float* b, float* out, int rows, int ca, int cb) {
    int idx = blockIdx.x * blockDim.x + threadIdx.x;
    int cols = ca + cb;
    if (idx < rows * cols) {
        int r = idx / cols, c = idx % cols;
        if (c < ca)
            out[idx] = a[r * ca + c];
        else
            out[idx] = b[r * cb + (c - ca)];
    }
}

int main() {
    int rows = 31, ca = 20, cb = 13;
    float *a, *b, *o, *h = new float[rows * (ca + cb)];
    cudaMalloc(&a, rows * ca * sizeof(float));
    cudaMalloc(&b, rows * cb * sizeof(float));
    cudaMalloc(&o, rows * (ca + cb) * sizeof(float));
    cudaMemcpy(a, h, rows * ca * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, rows * cb * sizeof(float), cudaMemcpyHostToDevice);
    concat<<<(rows * (ca + cb) + 255) / 256, 256>>>(a, b, o, rows, ca, cb);
    cudaMemcpy(h, o, rows * (ca + cb) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
