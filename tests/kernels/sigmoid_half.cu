// Sigmoid on half precision, computed in float.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

__global__ void sigmoid_half(const __half* x, __half* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        float v = __half2float(x[i]);
        y[i] = __float2half(1.0f / (1.0f + expf(-v)));
    }
}

int main() {
    const int n = 4099;
    __half *x, *y;
    __half* h = new __half[n];
    cudaMalloc(&x, n * sizeof(__half));
    cudaMalloc(&y, n * sizeof(__half));
    cudaMemcpy(x, h, n * sizeof(__half), cudaMemcpyHostToDevice);
    sigmoid_half<<<(n + 255) / 256, 256>>>(x, y, n);
    cudaMemcpy(h, y, n * sizeof(__half), cudaMemcpyDeviceToHost);
    cudaFree(x);
    cudaFree(y);
    delete[] h;
    return 0;
}
