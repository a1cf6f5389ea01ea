// Bias and tanh-GELU on bfloat16 activations, arithmetic in float.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

using bf16 = __nv_bfloat16;

__device__ __forceinline__ float gelu_tanh(float x)
{
    constexpr float k0 = 0.7978845608f;  // sqrt(2 / pi)
    constexpr float k1 = 0.044715f;
    return 0.5f * x * (1.0f + tanhf(k0 * (x + k1 * x * x * x)));
}

__global__ void bias_gelu(bf16* __restrict__ x, const bf16* __restrict__ bias, int rows, int cols)
{
    const int col = blockIdx.x * blockDim.x + threadIdx.x;
    if (col >= cols) return;
    const float b = __bfloat162float(bias[col]);
    for (int row = blockIdx.y; row < rows; row += gridDim.y) {
        bf16& cell = x[row * cols + col];
        cell = __float2bfloat16(gelu_tanh(__bfloat162float(cell) + b));
    }
}
