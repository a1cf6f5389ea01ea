// Row sums by a tree with the last warp unrolled on volatile shared memory.
#include <cuda_runtime.h>

template <unsigned int blockSize>
__device__ void warpReduce(volatile float *sdata, unsigned int tid) {
    if (blockSize >= 64) sdata[tid] += sdata[tid + 32];
    if (blockSize >= 32) sdata[tid] += sdata[tid + 16];
    if (blockSize >= 16) sdata[tid] += sdata[tid + 8];
    if (blockSize >= 8) sdata[tid] += sdata[tid + 4];
    if (blockSize >= 4) sdata[tid] += sdata[tid + 2];
    if (blockSize >= 2) sdata[tid] += sdata[tid + 1];
}

template <unsigned int blockSize>
__global__ void row_sum(const float *g_idata, float *g_odata, unsigned int n) {
    extern __shared__ float sdata[];
    unsigned int tid = threadIdx.x;
    unsigned int i = tid;
    sdata[tid] = 0;
    while (i < n) {
        sdata[tid] += g_idata[blockIdx.x * n + i];
        i += blockSize;
    }
    __syncthreads();
    if (blockSize >= 256) { if (tid < 128) { sdata[tid] += sdata[tid + 128]; } __syncthreads(); }
    if (blockSize >= 128) { if (tid < 64) { sdata[tid] += sdata[tid + 64]; } __syncthreads(); }
    if (tid < 32) warpReduce<blockSize>(sdata, tid);
    if (tid == 0) g_odata[blockIdx.x] = sdata[0];
}

int main() {
    const unsigned rows = 30, n = 500;
    float *in, *out, *h = new float[rows * n];
    cudaMalloc(&in, rows * n * sizeof(float));
    cudaMalloc(&out, rows * sizeof(float));
    cudaMemcpy(in, h, rows * n * sizeof(float), cudaMemcpyHostToDevice);
    row_sum<128><<<rows, 128, 128 * sizeof(float)>>>(in, out, n);
    cudaMemcpy(h, out, rows * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
