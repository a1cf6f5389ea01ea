// Rotary embedding in place: pairs (2i, 2i+1) of each head are rotated.
#include <cuda_runtime.h>

__global__ void rope(float* q, int tokens, int heads, int head_dim) {
    int pair = threadIdx.x;
    int head = blockIdx.y;
    int pos = blockIdx.x;
    if (2 * pair >= head_dim) return;
    float freq = 1.0f / powf(10000.0f, 2.0f * pair / head_dim);
    float angle = pos * freq;
    float c = cosf(angle), s = sinf(angle);
    float* p = q + (pos * heads + head) * head_dim + 2 * pair;
    float v0 = p[0], v1 = p[1];
    p[0] = v0 * c - v1 * s;
    p[1] = v0 * s + v1 * c;
}

int main() {
    int tokens = 17, heads = 3, head_dim = 40;
    size_t n = (size_t)tokens * heads * head_dim;
    float *q, *h = new float[n];
    cudaMalloc(&q, n * sizeof(float));
    cudaMemcpy(q, h, n * sizeof(float), cudaMemcpyHostToDevice);
    rope<<<dim3(tokens, heads), 32>>>(q, tokens, heads, head_dim);
    cudaMemcpy(h, q, n * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
