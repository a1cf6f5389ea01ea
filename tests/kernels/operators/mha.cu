// Attention over the heads of a position: a block a position, scores in shared memory.
#include <cuda_runtime.h>

#define B 1
#define S 2048
#define H 6
#define D 256

__global__ void mha(const float* __restrict__ Q, const float* __restrict__ K, const float* __restrict__ V,
                    float* __restrict__ O) {
    __shared__ float score[H][H];
    const int base = (blockIdx.y * S + blockIdx.x) * H * D;

    for (int e = threadIdx.x; e < H * H; e += blockDim.x) {
        const float* q = Q + base + e / H * D;
        const float* k = K + base + e % H * D;
        float dot = 0.0f;
        for (int d = 0; d < D; ++d) dot += q[d] * k[d];
        score[e / H][e % H] = dot / sqrtf((float)D);
    }
    __syncthreads();

    if (threadIdx.x < H) {
        float* row = score[threadIdx.x];
        float m = row[0];
        for (int g = 1; g < H; ++g) m = fmaxf(m, row[g]);
        float sum = 0.0f;
        for (int g = 0; g < H; ++g) {
            row[g] = expf(row[g] - m);
            sum += row[g];
        }
        for (int g = 0; g < H; ++g) row[g] /= sum;
    }
    __syncthreads();

    for (int e = threadIdx.x; e < H * D; e += blockDim.x) {
        float acc = 0.0f;
        for (int g = 0; g < H; ++g) acc += score[e / D][g] * V[base + g * D + e % D];
        O[base + e] = acc;
    }
}
