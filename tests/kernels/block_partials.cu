// Each block reduces two elements a thread to one partial result; the host adds those up.
#include <cuda_runtime.h>

__global__ void reduce(const int *g_idata, int *g_odata, unsigned int n) {
    extern __shared__ int sdata[];
    unsigned int tid = threadIdx.x;
    unsigned int i = blockIdx.x * (blockDim.x * 2) + threadIdx.x;
    int mySum = (i < n) ? g_idata[i] : 0;
    if (i + blockDim.x < n) mySum += g_idata[i + blockDim.x];
    sdata[tid] = mySum;
    __syncthreads();
    for (unsigned int s = blockDim.x / 2; s > 0; s >>= 1) {
        if (tid < s) sdata[tid] = mySum = mySum + sdata[tid + s];
        __syncthreads();
    }
    if (tid == 0) g_odata[blockIdx.x] = mySum;
}

int main() {
    unsigned int n = 5003, threads = 128, blocks = (n + threads * 2 - 1) / (threads * 2);
    int *in, *out, *h = new int[n];
    cudaMalloc(&in, n * sizeof(int));
    cudaMalloc(&out, blocks * sizeof(int));
    cudaMemcpy(in, h, n * sizeof(int), cudaMemcpyHostToDevice);
    reduce<<<blocks, threads, threads * sizeof(int)>>>(in, out, n);
    cudaMemcpy(h, out, blocks * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
