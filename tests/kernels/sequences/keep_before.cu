// What changed: the state is kept by a copy on the device before a kernel works in place.
#include <cuda_runtime.h>

__global__ void relax(float *state, const float *target, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) state[i] += 0.5f * (target[i] - state[i]);
}

__global__ void difference(const float *state, const float *before, float *change, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) change[i] = fabsf(state[i] - before[i]);
}

void step(float *h_state, const float *h_target, float *h_change, int n) {
    size_t bytes = n * sizeof(float);
    float *state, *target, *kept, *change;
    cudaMalloc(&state, bytes);
    cudaMalloc(&target, bytes);
    cudaMalloc(&kept, bytes);
    cudaMalloc(&change, bytes);
    cudaMemcpy(state, h_state, bytes, cudaMemcpyHostToDevice);
    cudaMemcpy(target, h_target, bytes, cudaMemcpyHostToDevice);
    relax<<<(n + 63) / 64, 64>>>(state, target, n);
    cudaMemcpy(kept, state, bytes, cudaMemcpyDeviceToDevice);
    relax<<<(n + 63) / 64, 64>>>(state, target, n);
    difference<<<(n + 63) / 64, 64>>>(state, kept, change, n);
    cudaMemcpy(h_state, state, bytes, cudaMemcpyDeviceToHost);
    cudaMemcpy(h_change, change, bytes, cudaMemcpyDeviceToHost);
}
