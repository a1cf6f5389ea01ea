// A block a row of Q: all its scores in shared memory, maximum and sum over them, then the values.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#define B 1
#define H 2
#define SQ 16
#define D 16
#define SK 512
#define G (H / 2)
#define THREADS 128

__global__ void gqa_three_pass(const half* Q, const half* K, const half* V, float* O) {
    __shared__ float scores[SK];
    __shared__ float scratch[THREADS];
    const int i = blockIdx.x, h = blockIdx.y, b = blockIdx.z, t = threadIdx.x;
    const half* q = Q + ((b * H + h) * SQ + i) * D;
    const half* k = K + (b * G + h * G / H) * SK * D;
    const half* v = V + (b * G + h * G / H) * SK * D;

    float best = -1e30f;
    for (int j = t; j < SK; j += THREADS) {
        float dot = 0.0f;
        for (int d = 0; d < D; ++d) dot += __half2float(q[d]) * __half2float(k[j * D + d]);
        scores[j] = dot / sqrtf((float)D);
        best = fmaxf(best, scores[j]);
    }
    scratch[t] = best;
    __syncthreads();
    for (int s = THREADS / 2; s > 0; s >>= 1) {
        if (t < s) scratch[t] = fmaxf(scratch[t], scratch[t + s]);
        __syncthreads();
    }
    best = scratch[0];
    __syncthreads();

    float sum = 0.0f;
    for (int j = t; j < SK; j += THREADS) {
        scores[j] = expf(scores[j] - best);
        sum += scores[j];
    }
    scratch[t] = sum;
    __syncthreads();
    for (int s = THREADS / 2; s > 0; s >>= 1) {
        if (t < s) scratch[t] += scratch[t + s];
        __syncthreads();
    }
    sum = scratch[0];

    for (int d = t; d < D; d += THREADS) {
        float acc = 0.0f;
        for (int j = 0; j < SK; ++j) acc += scores[j] * __half2float(v[j * D + d]);
        O[((b * H + h) * SQ + i) * D + d] = acc / sum;
    }
}
