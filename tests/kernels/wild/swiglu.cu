// SwiGLU of a fused projection: the first half of each row is the gate, the second the value.
#include <cuda_runtime.h>

__device__ __forceinline__ float silu(const float x) { return x / (1.0f + __expf(-x)); }

__global__ void silu_and_mul(const float* __restrict__ gate_up, float* __restrict__ out, const int d)
{
    const float* gate = gate_up + (size_t)blockIdx.x * 2 * d;
    const float* up = gate + d;
    float* dst = out + (size_t)blockIdx.x * d;

    for (int i = threadIdx.x; i < d; i += blockDim.x)
        dst[i] = silu(__ldg(gate + i)) * __ldg(up + i);
}
