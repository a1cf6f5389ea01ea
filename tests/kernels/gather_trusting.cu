// Gather by index, no range check: the indices are promised to be below the table's size.
#include <cuda_runtime.h>

__global__ void gather(const float* table, const int* index, float* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = table[index[i]];
}

int main() {
    int n = 500, rows = 200;
    float *t, *o, *h = new float[n];
    int *ix, *hi = new int[n];
    for (int i = 0; i < n; ++i) hi[i] = i % rows;
    cudaMalloc(&t, rows * sizeof(float));
    cudaMalloc(&ix, n * sizeof(int));
    cudaMalloc(&o, n * sizeof(float));
    cudaMemcpy(t, h, rows * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(ix, hi, n * sizeof(int), cudaMemcpyHostToDevice);
    gather<<<(n + 127) / 128, 128>>>(t, ix, o, n);
    cudaMemcpy(h, o, n * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
