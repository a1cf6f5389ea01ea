// y[o, index[k], i] = updates[o, k, i]: picked lines in the grid, their elements in the block.
#include <cuda_runtime.h>
#include <stdint.h>

#define OUTER 32
#define AXIS 128
#define INNER 32
#define COUNT 64

__global__ void scatter(const float* updates, const int64_t* index, float* y) {
    const int k = blockIdx.x % COUNT;
    const int outer = blockIdx.x / COUNT;
    const int64_t target = index[k];
    for (int i = threadIdx.x; i < INNER; i += blockDim.x)
        y[(outer * AXIS + target) * INNER + i] = updates[(outer * COUNT + k) * INNER + i];
}
