// Group normalisation of NCHW, one block a (sample, group). Channels of a group are contiguous.
#include <cuda_runtime.h>

constexpr int GN_THREADS = 128;

__device__ float2 operator+(float2 a, float2 b) { return make_float2(a.x + b.x, a.y + b.y); }

__global__ __launch_bounds__(GN_THREADS) void group_norm(const float *x, const float *gamma,
                                                         const float *beta, float *y, int channels,
                                                         int spatial, int groups, float eps) {
    __shared__ float2 sums[GN_THREADS];

    const int n = blockIdx.y;
    const int g = blockIdx.x;
    const int per_group = channels / groups;
    const int count = per_group * spatial;
    const int start = (n * channels + g * per_group) * spatial;

    float2 acc = make_float2(0.f, 0.f);  // sum, sum of squares
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        const float v = x[start + i];
        acc = acc + make_float2(v, v * v);
    }
    sums[threadIdx.x] = acc;
    __syncthreads();
    for (int s = GN_THREADS / 2; s > 0; s >>= 1) {
        if (threadIdx.x < s) sums[threadIdx.x] = sums[threadIdx.x] + sums[threadIdx.x + s];
        __syncthreads();
    }

    const float mean = sums[0].x / count;
    const float var = fmaxf(sums[0].y / count - mean * mean, 0.f);
    const float rstd = rsqrtf(var + eps);
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        const int c = g * per_group + i / spatial;
        y[start + i] = (x[start + i] - mean) * rstd * gamma[c] + beta[c];
    }
}
