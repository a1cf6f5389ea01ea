// A generic loop over pairs that takes any callable; the kernel's own arithmetic is in lambdas.
#include <cuda_runtime.h>

template <typename F>
__device__ __forceinline__ void for_each_index(int n, F f)
{
    const int step = gridDim.x * blockDim.x;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step) f(i);
}

__global__ void huber_and_grad(const float* __restrict__ pred, const float* __restrict__ target,
                               float* __restrict__ loss, float* __restrict__ grad, int n, float delta)
{
    const auto clamp = [=](float e) { return fminf(fmaxf(e, -delta), delta); };

    for_each_index(n, [&](int i) {
        const float e = pred[i] - target[i];
        const float g = clamp(e);
        loss[i] = g * (e - 0.5f * g);  // quadratic inside, linear outside
        grad[i] = g;
    });
}
