// A polynomial in double precision by Horner's rule over a coefficient array.
#include <cuda_runtime.h>
#include <vector>

__constant__ double coefficients[6] = {1.0, -0.5, 0.25, -0.125, 0.0625, -0.03125};

__global__ void horner(const double* x, double* y, long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double v = x[i];
    double acc = 0.0;
#pragma unroll
    for (int k = 5; k >= 0; --k) acc = acc * v + coefficients[k];
    y[i] = acc;
}

int main() {
    long long n = 4001;
    std::vector<double> x(n), y(n);
    double *dx, *dy;
    cudaMalloc(&dx, n * sizeof(double));
    cudaMalloc(&dy, n * sizeof(double));
    cudaMemcpy(dx, x.data(), n * sizeof(double), cudaMemcpyHostToDevice);
    horner<<<(n + 127) / 128, 128>>>(dx, dy, n);
    cudaMemcpy(y.data(), dy, n * sizeof(double), cudaMemcpyDeviceToHost);
    cudaFree(dx);
    cudaFree(dy);
}
