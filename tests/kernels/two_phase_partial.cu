// A thread sums 8 consecutive elements, a block 64 threads: contiguous chunks, ragged end.
#include <cuda_runtime.h>

__global__ void chunks(const float* x, float* part, int n) {
    __shared__ float s[64];
    int start = (blockIdx.x * blockDim.x + threadIdx.x) * 8;
    float a = 0.f;
    for (int i = start; i < min(start + 8, n); ++i) a += x[i];
    s[threadIdx.x] = a;
    __syncthreads();
    if (threadIdx.x == 0) {
        float t = 0.f;
        for (int i = 0; i < blockDim.x; ++i) t += s[i];
        part[blockIdx.x] = t;
    }
}

int main() {
    float *x, *host_x = new float[1234];
    float *p, *host_p = new float[3];
    cudaMalloc(&x, (1234) * sizeof(float));
    cudaMalloc(&p, (3) * sizeof(float));
    cudaMemcpy(x, host_x, (1234) * sizeof(float), cudaMemcpyHostToDevice);
    chunks<<<3, 64>>>(x, p, 1234);
    cudaMemcpy(host_p, p, (3) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
