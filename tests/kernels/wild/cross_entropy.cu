// Cross-entropy of logits with integer targets, with label smoothing and an ignored target; a warp
// a row. Losses are per row; the mean is taken elsewhere.
#include <cuda_runtime.h>

#define LANES 32
#define ALL_LANES 0xffffffffu

__device__ __forceinline__ float lanes_sum(float v)
{
    for (int o = LANES >> 1; o; o >>= 1) v += __shfl_xor_sync(ALL_LANES, v, o);
    return v;
}

__device__ __forceinline__ float lanes_max(float v)
{
    for (int o = LANES >> 1; o; o >>= 1) v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, o));
    return v;
}

__global__ void cross_entropy_fwd(const float *__restrict__ logits, const int *__restrict__ targets,
                                  float *__restrict__ losses, int rows, int classes,
                                  int ignore_index, float smoothing)
{
    const int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;

    const int target = targets[row];
    if (target == ignore_index) {
        if (threadIdx.x == 0) losses[row] = 0.f;
        return;
    }

    const float *z = logits + row * classes;
    float peak = -1e38f;
    for (int c = threadIdx.x; c < classes; c += LANES) peak = fmaxf(peak, z[c]);
    peak = lanes_max(peak);

    float mass = 0.f, total = 0.f;
    for (int c = threadIdx.x; c < classes; c += LANES) {
        mass += expf(z[c] - peak);
        total += z[c];
    }
    mass = lanes_sum(mass);
    total = lanes_sum(total);

    if (threadIdx.x == 0) {
        const float lse = logf(mass) + peak;
        const float hard = lse - z[target];
        const float soft = lse - total / classes;
        losses[row] = (1.f - smoothing) * hard + smoothing * soft;
    }
}
