// Cumulative sum along the middle dimension of (outer, length, inner); a thread owns one line and
// walks it. Accumulates in double: long sums of floats drift.
#include <cuda_runtime.h>

__global__ void cumsum_middle(const float* __restrict__ x, float* __restrict__ y,
                              const size_t outer, const size_t length, const size_t inner)
{
    const size_t hop = static_cast<size_t>(gridDim.x) * blockDim.x;

    for (size_t line = blockIdx.x * static_cast<size_t>(blockDim.x) + threadIdx.x;
         line < outer * inner; line += hop) {
        const size_t start = line / inner * length * inner + line % inner;
        const float* from = x + start;
        float* to = y + start;
        double running = 0.0;
        for (size_t i = length; i > 0; --i) {
            running += *from;
            *to = static_cast<float>(running);
            from += inner;
            to += inner;
        }
    }
}
