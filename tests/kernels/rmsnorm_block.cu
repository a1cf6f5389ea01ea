// RMS normalisation, one block a row: warp shuffles, one value a warp in shared memory.
#include <cuda_runtime.h>

__global__ void rmsnorm_kernel(float* out, const float* x, const float* w, int n) {
    __shared__ float warp_sums[8];
    __shared__ float inv_rms;
    float sum = 0.f;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        float v = x[blockIdx.x * n + i];
        sum += v * v;
    }
    for (int m = 16; m; m >>= 1) sum += __shfl_xor_sync(~0u, sum, m);
    if ((threadIdx.x & 31) == 0) warp_sums[threadIdx.x >> 5] = sum;
    __syncthreads();
    if (threadIdx.x < 8) {
        float t = warp_sums[threadIdx.x];
        for (int m = 4; m; m >>= 1) t += __shfl_xor_sync(0xff, t, m);
        if (threadIdx.x == 0) inv_rms = rsqrtf(t / n + 1e-6f);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        out[blockIdx.x * n + i] = x[blockIdx.x * n + i] * inv_rms * w[i];
}

int main() {
    const int rows = 20, n = 700;
    float *o, *x, *w, *h = new float[rows * n];
    cudaMalloc(&o, rows * n * sizeof(float));
    cudaMalloc(&x, rows * n * sizeof(float));
    cudaMalloc(&w, n * sizeof(float));
    cudaMemcpy(x, h, rows * n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(w, h, n * sizeof(float), cudaMemcpyHostToDevice);
    rmsnorm_kernel<<<rows, 256>>>(o, x, w, n);
    cudaMemcpy(h, o, rows * n * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
