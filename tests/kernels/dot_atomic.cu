// Dot product: grid-stride loop, tree in shared memory, one atomicAdd a block.
#include <cuda_runtime.h>

__global__ void dot(const float *a, const float *b, float *result, int n) {
    __shared__ float cache[128];
    int tid = threadIdx.x + blockIdx.x * blockDim.x;
    int cacheIndex = threadIdx.x;
    float temp = 0;
    while (tid < n) {
        temp += a[tid] * b[tid];
        tid += blockDim.x * gridDim.x;
    }
    cache[cacheIndex] = temp;
    __syncthreads();
    int i = blockDim.x / 2;
    while (i != 0) {
        if (cacheIndex < i) cache[cacheIndex] += cache[cacheIndex + i];
        __syncthreads();
        i /= 2;
    }
    if (cacheIndex == 0) atomicAdd(result, cache[0]);
}

int main() {
    const int n = 9999;
    float *a, *b, *r, *h = new float[n], sum = 0;
    cudaMalloc(&a, n * sizeof(float));
    cudaMalloc(&b, n * sizeof(float));
    cudaMalloc(&r, sizeof(float));
    cudaMemcpy(a, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemset(r, 0, sizeof(float));
    dot<<<8, 128>>>(a, b, r, n);
    cudaMemcpy(&sum, r, sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
