// European option prices in closed form; the normal distribution by its error function.
#include <cuda_runtime.h>

__device__ inline float cnd(float d) { return 0.5f * erfcf(-d * 0.70710678118654752f); }

__global__ __launch_bounds__(128) void option_prices(
    float * __restrict__ call,
    float * __restrict__ put,
    const float * __restrict__ spot,
    const float * __restrict__ strike,
    const float * __restrict__ years,
    float rate,
    float volatility,
    int count)
{
    const int opt = blockDim.x * blockIdx.x + threadIdx.x;
    if (opt < count) {
        const float S = spot[opt], X = strike[opt], T = years[opt];
        const float sqrtT = sqrtf(T);
        const float d1 = (logf(S / X) + (rate + 0.5f * volatility * volatility) * T)
                       / (volatility * sqrtT);
        const float d2 = d1 - volatility * sqrtT;
        const float discount = expf(-rate * T);

        call[opt] = S * cnd(d1) - X * discount * cnd(d2);
        put[opt]  = X * discount * (1.0f - cnd(d2)) - S * (1.0f - cnd(d1));
    }
}
