// Lower-triangular product: the loop's end depends on the row.
#include <cuda_runtime.h>

__global__ void trmm(const float* L, const float* B, float* C, int n, int m) {
    int j = blockIdx.x * blockDim.x + threadIdx.x;
    int i = blockIdx.y * blockDim.y + threadIdx.y;
    if (i < n && j < m) {
        float s = 0.f;
        for (int k = 0; k <= i; ++k) s += L[i * n + k] * B[k * m + j];
        C[i * m + j] = s;
    }
}

int main() {
    float *L, *host_L = new float[40*40];
    float *B, *host_B = new float[40*30];
    float *C, *host_C = new float[40*30];
    cudaMalloc(&L, (40*40) * sizeof(float));
    cudaMalloc(&B, (40*30) * sizeof(float));
    cudaMalloc(&C, (40*30) * sizeof(float));
    cudaMemcpy(L, host_L, (40*40) * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(B, host_B, (40*30) * sizeof(float), cudaMemcpyHostToDevice);
    trmm<<<dim3(4, 5), dim3(8, 8)>>>(L, B, C, 40, 30);
    cudaMemcpy(host_C, C, (40*30) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
