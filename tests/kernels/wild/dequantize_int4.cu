// Weights of 4 bits, eight in a 32-bit word, lowest first; a scale and a zero point per group of
// `group` columns. One thread a word.
#include <cuda_runtime.h>
#include <cstdint>

#define PACK 8

__global__ void dequantize_4bit(const uint32_t* __restrict__ qweight,
                                const float* __restrict__ scales,
                                const uint8_t* __restrict__ zeros,
                                float* __restrict__ weight,
                                int rows, int cols, int group)
{
    const int words = cols / PACK;
    const int w = blockIdx.x * blockDim.x + threadIdx.x;
    const int r = blockIdx.y * blockDim.y + threadIdx.y;
    if (w >= words || r >= rows) return;

    uint32_t packed = qweight[r * words + w];
    const int g = w * PACK / group;
    const float scale = scales[r * (cols / group) + g];
    const int zero = zeros[r * (cols / group) + g];

    float* out = weight + r * cols + w * PACK;
#pragma unroll
    for (int j = 0; j < PACK; ++j) {
        const int nibble = packed & 0xF;
        packed >>= 4;
        out[j] = (nibble - zero) * scale;
    }
}
