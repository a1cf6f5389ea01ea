// Softmax of rows in three kernels; the caller's pointers are the device's.
#include <cuda_runtime.h>

__global__ void row_max(const float *scores, float *maxima, int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    float most = scores[row * cols];
    for (int c = 1; c < cols; ++c) most = fmaxf(most, scores[row * cols + c]);
    maxima[row] = most;
}

__global__ void exp_and_sum(const float *scores, const float *maxima, float *weights, float *sums,
                            int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int c = 0; c < cols; ++c) {
        float weight = expf(scores[row * cols + c] - maxima[row]);
        weights[row * cols + c] = weight;
        sum += weight;
    }
    sums[row] = sum;
}

__global__ void divide(float *weights, const float *sums, int count, int cols) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) weights[i] /= sums[i / cols];
}

void softmax(const float *scores, float *weights, int rows, int n, cudaStream_t stream) {
    float *maxima, *sums;
    cudaMalloc(&maxima, rows * sizeof(float));
    cudaMalloc(&sums, rows * sizeof(float));
    row_max<<<(rows + 31) / 32, 32, 0, stream>>>(scores, maxima, rows, n);
    exp_and_sum<<<(rows + 31) / 32, 32, 0, stream>>>(scores, maxima, weights, sums, rows, n);
    divide<<<(rows * n + 127) / 128, 128, 0, stream>>>(weights, sums, rows * n, n);
    cudaFree(maxima);
    cudaFree(sums);
}
