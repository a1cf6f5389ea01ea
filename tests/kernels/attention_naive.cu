// Causal attention of one head, one block a query: scores and softmax in shared memory.
#include <cuda_runtime.h>

__global__ void attention(const float* Q, const float* K, const float* V, float* O, int T, int D) {
    extern __shared__ float scores[];
    const int t = blockIdx.x;
    const float scale = rsqrtf((float)D);
    for (int s = threadIdx.x; s <= t; s += blockDim.x) {
        float dot = 0.f;
        for (int d = 0; d < D; ++d) dot += Q[t * D + d] * K[s * D + d];
        scores[s] = dot * scale;
    }
    __syncthreads();
    float m = -1e20f;
    for (int s = 0; s <= t; ++s) m = fmaxf(m, scores[s]);
    float sum = 0.f;
    for (int s = 0; s <= t; ++s) sum += expf(scores[s] - m);
    for (int d = threadIdx.x; d < D; d += blockDim.x) {
        float acc = 0.f;
        for (int s = 0; s <= t; ++s) acc += expf(scores[s] - m) / sum * V[s * D + d];
        O[t * D + d] = acc;
    }
}

int main() {
    const int T = 24, D = 16;
    float *q, *k, *v, *o, *h = new float[T * D];
    cudaMalloc(&q, T * D * sizeof(float));
    cudaMalloc(&k, T * D * sizeof(float));
    cudaMalloc(&v, T * D * sizeof(float));
    cudaMalloc(&o, T * D * sizeof(float));
    cudaMemcpy(q, h, T * D * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(k, h, T * D * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(v, h, T * D * sizeof(float), cudaMemcpyHostToDevice);
    attention<<<T, 32, T * sizeof(float)>>>(q, k, v, o, T, D);
    cudaMemcpy(h, o, T * D * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
