// One AdamW step. Decay is decoupled: it shrinks the weight and does not enter the moments. The
// bias corrections 1 - beta^t are the host's.
#include <cuda_runtime.h>

struct Moments {
    float first, second;
};

// a + t (b - a) with two fused multiply-adds
__device__ __forceinline__ float mix(float a, float b, float t) { return fmaf(t, b, fmaf(-t, a, a)); }

__device__ Moments advance(Moments old, float g, float beta1, float beta2)
{
    return Moments{mix(g, old.first, beta1), mix(g * g, old.second, beta2)};
}

template <class Weight, class Gradient>
__global__ void adamw_step(Weight* w, const Gradient* g, float* m, float* v, size_t count, float lr,
                           float beta1, float beta2, float correction1, float correction2, float eps,
                           float decay)
{
    const size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    if (i >= count) return;

    const Moments now = advance(Moments{m[i], v[i]}, (float)g[i], beta1, beta2);
    const float step = (now.first / correction1) / (sqrtf(now.second / correction2) + eps);

    w[i] -= lr * (step + decay * w[i]);
    m[i] = now.first;
    v[i] = now.second;
}
