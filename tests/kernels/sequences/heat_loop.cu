// Five steps of heat diffusion on a rod: the host swaps two buffers, whose ends stay as they are.
#include <cstdlib>
#include <cuda_runtime.h>
#include <utility>

#define CELLS 200

__global__ void diffuse(float *after, const float *before, int n, float rate) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i > 0 && i < n - 1)
        after[i] = before[i] + rate * (before[i - 1] - 2.0f * before[i] + before[i + 1]);
}

int main() {
    const size_t bytes = CELLS * sizeof(float);
    float *host = (float *)malloc(bytes), *now, *next;
    for (int i = 0; i < CELLS; ++i) host[i] = i == CELLS / 2 ? 100.0f : 20.0f;
    cudaMalloc(&now, bytes);
    cudaMalloc(&next, bytes);
    cudaMemcpy(now, host, bytes, cudaMemcpyHostToDevice);
    cudaMemcpy(next, now, bytes, cudaMemcpyDeviceToDevice);
    for (int step = 0; step < 5; ++step) {
        diffuse<<<(CELLS + 63) / 64, 64>>>(next, now, CELLS, 0.25f);
        std::swap(now, next);
    }
    cudaMemcpy(host, now, bytes, cudaMemcpyDeviceToHost);
    cudaFree(now);
    cudaFree(next);
    free(host);
}
