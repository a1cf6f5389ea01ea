// A naive product whose k-loop is unrolled by four by hand, with a remainder loop.
#include <cuda_runtime.h>

__global__ void matmul_unrolled(const double* a, const double* b, double* c, int n, int kdim, int m) {
    int i = blockIdx.y * blockDim.y + threadIdx.y;
    int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n && j < m) {
        double s = 0;
        int k = 0;
        for (; k + 3 < kdim; k += 4) {
            s += a[i * kdim + k] * b[k * m + j];
            s += a[i * kdim + k + 1] * b[(k + 1) * m + j];
            s += a[i * kdim + k + 2] * b[(k + 2) * m + j];
            s += a[i * kdim + k + 3] * b[(k + 3) * m + j];
        }
        for (; k < kdim; ++k) s += a[i * kdim + k] * b[k * m + j];
        c[i * m + j] = s;
    }
}

int main() {
    int n = 41, kdim = 38, m = 53;
    double *a, *b, *c, *h = new double[n * m];
    cudaMalloc(&a, n * kdim * sizeof(double));
    cudaMalloc(&b, kdim * m * sizeof(double));
    cudaMalloc(&c, n * m * sizeof(double));
    cudaMemcpy(a, h, n * kdim * sizeof(double), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, kdim * m * sizeof(double), cudaMemcpyHostToDevice);
    dim3 t(16, 16), g((m + 15) / 16, (n + 15) / 16);
    matmul_unrolled<<<g, t>>>(a, b, c, n, kdim, m);
    cudaMemcpy(h, c, n * m * sizeof(double), cudaMemcpyDeviceToHost);
}
