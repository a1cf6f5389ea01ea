// Scaled, masked softmax; the row maximum by interleaved addressing, the sum by sequential.
#include <cuda_runtime.h>

#define BLOCK_SIZE 64

__global__ void masked_softmax(const float *scores, const int *mask, float *probs, int cols, float scale) {
    __shared__ float sdata[BLOCK_SIZE];
    unsigned int tid = threadIdx.x;
    unsigned int row = blockIdx.x;

    float local = -1e30f;
    for (unsigned int c = tid; c < cols; c += blockDim.x) {
        float s = mask[row * cols + c] > 0 ? scores[row * cols + c] * scale : -10000.0f;
        local = max(local, s);
    }
    sdata[tid] = local;
    __syncthreads();
    for (unsigned int s = 1; s < blockDim.x; s *= 2) {
        if (tid % (2 * s) == 0) sdata[tid] = max(sdata[tid], sdata[tid + s]);
        __syncthreads();
    }
    const float row_max = sdata[0];
    __syncthreads();

    float part = 0;
    for (unsigned int c = tid; c < cols; c += blockDim.x) {
        float s = mask[row * cols + c] > 0 ? scores[row * cols + c] * scale : -10000.0f;
        part += expf(s - row_max);
    }
    sdata[tid] = part;
    __syncthreads();
    for (unsigned int s = blockDim.x / 2; s > 0; s >>= 1) {
        if (tid < s) sdata[tid] += sdata[tid + s];
        __syncthreads();
    }

    for (unsigned int c = tid; c < cols; c += blockDim.x) {
        float s = mask[row * cols + c] > 0 ? scores[row * cols + c] * scale : -10000.0f;
        probs[row * cols + c] = expf(s - row_max) / sdata[0];
    }
}

int main() {
    int rows = 48, cols = 150;
    float *s, *p, *h = new float[rows * cols];
    int *m, *hm = new int[rows * cols];
    cudaMalloc(&s, rows * cols * sizeof(float));
    cudaMalloc(&p, rows * cols * sizeof(float));
    cudaMalloc(&m, rows * cols * sizeof(int));
    cudaMemcpy(s, h, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(m, hm, rows * cols * sizeof(int), cudaMemcpyHostToDevice);
    masked_softmax<<<rows, BLOCK_SIZE>>>(s, m, p, cols, 0.125f);
    cudaMemcpy(h, p, rows * cols * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
