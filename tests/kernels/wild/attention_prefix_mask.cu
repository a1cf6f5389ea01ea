// Decoding step of masked multi-head attention: one query a (sequence, head), keys and values of a
// cache padded to max_len, of which the first lengths[b] count. A block a query; scores in dynamic
// shared memory (max_len floats).
#include <cuda_runtime.h>
#include <cfloat>

template <int THREADS>
__device__ float blockMax(float v, float *red)
{
    red[threadIdx.x] = v;
    __syncthreads();
    for (int s = THREADS / 2; s; s >>= 1) {
        if (threadIdx.x < s) red[threadIdx.x] = max(red[threadIdx.x], red[threadIdx.x + s]);
        __syncthreads();
    }
    v = red[0];
    __syncthreads();
    return v;
}

template <int THREADS>
__device__ float blockSum(float v, float *red)
{
    red[threadIdx.x] = v;
    __syncthreads();
    for (int s = THREADS / 2; s; s >>= 1) {
        if (threadIdx.x < s) red[threadIdx.x] += red[threadIdx.x + s];
        __syncthreads();
    }
    v = red[0];
    __syncthreads();
    return v;
}

template <int THREADS>
__global__ void masked_attention(const float *q, const float *k_cache, const float *v_cache,
                                 const int *lengths, float *out, int heads, int head_dim,
                                 int max_len, float scale)
{
    extern __shared__ float logits[];
    __shared__ float red[THREADS];

    const int h = blockIdx.x;
    const int b = blockIdx.y;
    const int len = lengths[b];
    const size_t bh = (size_t)b * heads + h;
    const float *query = q + bh * head_dim;
    const float *keys = k_cache + bh * max_len * head_dim;
    const float *values = v_cache + bh * max_len * head_dim;

    float peak = -FLT_MAX;
    for (int t = threadIdx.x; t < len; t += THREADS) {
        float score = 0.f;
        for (int d = 0; d < head_dim; ++d) score += query[d] * keys[t * head_dim + d];
        score *= scale;
        logits[t] = score;
        peak = max(peak, score);
    }
    peak = blockMax<THREADS>(peak, red);

    float total = 0.f;
    for (int t = threadIdx.x; t < len; t += THREADS) {
        const float e = expf(logits[t] - peak);
        logits[t] = e;
        total += e;
    }
    total = blockSum<THREADS>(total, red);

    for (int d = threadIdx.x; d < head_dim; d += THREADS) {
        float acc = 0.f;
        for (int t = 0; t < len; ++t) acc += logits[t] * values[t * head_dim + d];
        out[bh * head_dim + d] = acc / total;
    }
}
