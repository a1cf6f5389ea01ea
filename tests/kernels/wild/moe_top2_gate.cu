// Router of a mixture of experts: softmax over experts, the two best, their weights normalised to
// one, and how many tokens each expert gets. One thread a token; experts <= MAX_EXPERTS.
#include <cuda_runtime.h>
#include <math.h>

static constexpr int MAX_EXPERTS = 16;

__global__ void top2_gate(const float* __restrict__ logits, int* __restrict__ experts,
                          float* __restrict__ weights, int* __restrict__ load, int tokens, int num_experts)
{
    const int t = blockIdx.x * blockDim.x + threadIdx.x;
    if (t >= tokens) return;

    float p[MAX_EXPERTS];
    float top = -INFINITY;
    for (int e = 0; e < num_experts; ++e) {
        p[e] = logits[t * num_experts + e];
        top = fmaxf(top, p[e]);
    }
    for (int e = 0; e < num_experts; ++e) p[e] = __expf(p[e] - top);

    int first = 0;
    for (int e = 1; e < num_experts; ++e)
        if (p[e] > p[first]) first = e;
    int second = first == 0 ? 1 : 0;
    for (int e = 0; e < num_experts; ++e)
        if (e != first && p[e] > p[second]) second = e;

    const float sum = p[first] + p[second];
    experts[2 * t] = first;
    experts[2 * t + 1] = second;
    weights[2 * t] = p[first] / sum;
    weights[2 * t + 1] = p[second] / sum;
    atomicAdd(&load[first], 1);
    atomicAdd(&load[second], 1);
}
