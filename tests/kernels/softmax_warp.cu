// Softmax, one warp a row, butterfly reductions with shuffles.
#include <cuda_runtime.h>

__device__ float warp_max(float v) {
    for (int mask = 16; mask > 0; mask >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffff, v, mask));
    return v;
}

__device__ float warp_sum(float v) {
#pragma unroll
    for (int mask = 16; mask > 0; mask >>= 1) v += __shfl_xor_sync(0xffffffff, v, mask, 32);
    return v;
}

__global__ void softmax_warp(const float* x, float* y, int rows, int cols) {
    const int row = blockIdx.x * blockDim.y + threadIdx.y;
    const int lane = threadIdx.x;
    if (row >= rows) return;
    const float* in = x + (size_t)row * cols;
    float* out = y + (size_t)row * cols;

    float m = -INFINITY;
    for (int c = lane; c < cols; c += warpSize) m = fmaxf(m, in[c]);
    m = warp_max(m);
    float s = 0.f;
    for (int c = lane; c < cols; c += warpSize) s += __expf(in[c] - m);
    s = warp_sum(s);
    const float inv = 1.f / s;
    for (int c = lane; c < cols; c += warpSize) out[c] = __expf(in[c] - m) * inv;
}

int main() {
    const int rows = 50, cols = 200;
    float *x, *y, *h = new float[rows * cols];
    cudaMalloc(&x, rows * cols * sizeof(float));
    cudaMalloc(&y, rows * cols * sizeof(float));
    cudaMemcpy(x, h, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    dim3 block(32, 4);
    softmax_warp<<<(rows + block.y - 1) / block.y, block>>>(x, y, rows, cols);
    cudaMemcpy(h, y, rows * cols * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
