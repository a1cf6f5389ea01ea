// Sparse matrix times vector, CSR with a fixed number of entries a row and clamped columns.
#include <cuda_runtime.h>

__global__ void spmv(const unsigned* cols, const float* vals, const float* x, float* y, int rows, int per_row, unsigned n) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r < rows) {
        float s = 0;
        for (int e = r * per_row; e < (r + 1) * per_row; ++e) s += vals[e] * x[cols[e] % n];
        y[r] = s;
    }
}

int main() {
    unsigned *c, *host_c = new unsigned[80*6];
    float *v, *host_v = new float[80*6];
    float *x, *host_x = new float[50];
    float *y, *host_y = new float[80];
    cudaMalloc(&c, (80*6) * sizeof(unsigned));
    cudaMalloc(&v, (80*6) * sizeof(float));
    cudaMalloc(&x, (50) * sizeof(float));
    cudaMalloc(&y, (80) * sizeof(float));
    cudaMemcpy(c, host_c, (80*6) * sizeof(unsigned), cudaMemcpyHostToDevice);
    cudaMemcpy(v, host_v, (80*6) * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(x, host_x, (50) * sizeof(float), cudaMemcpyHostToDevice);
    spmv<<<2, 64>>>(c, v, x, y, 80, 6, 50);
    cudaMemcpy(host_y, y, (80) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
