// Row maximum by a ternary and by if, with values below any float sentinel.
#include <cuda_runtime.h>

__global__ void rowmax(const float* x, float* y, float* z, int rows, int cols) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows) return;
    float m = 0.0f;
    for (int c = 0; c < cols; ++c) m = x[r * cols + c] > m ? x[r * cols + c] : m;
    float l = x[r * cols];
    for (int c = 1; c < cols; ++c)
        if (x[r * cols + c] < l) l = x[r * cols + c];
    y[r] = m;
    z[r] = l;
}

int main() {
    float *x, *host_x = new float[60*7];
    float *y, *host_y = new float[60];
    float *z, *host_z = new float[60];
    cudaMalloc(&x, (60*7) * sizeof(float));
    cudaMalloc(&y, (60) * sizeof(float));
    cudaMalloc(&z, (60) * sizeof(float));
    cudaMemcpy(x, host_x, (60*7) * sizeof(float), cudaMemcpyHostToDevice);
    rowmax<<<1, 64>>>(x, y, z, 60, 7);
    cudaMemcpy(host_y, y, (60) * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(host_z, z, (60) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
