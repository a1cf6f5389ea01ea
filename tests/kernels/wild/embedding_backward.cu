// Gradient of an embedding table: rows of the incoming gradient are added to the rows of their
// tokens. Tokens repeat, so the additions are atomic. padding_idx takes no gradient.
#include <cuda_runtime.h>
#include <cstdint>

#define THREADS_PER_ROW 32
#define ROWS_PER_BLOCK 4

__global__ void embedding_dense_backward(
    const int64_t* __restrict__ ids,
    const float* __restrict__ grad_out,   // [num_ids, dim]
    float* __restrict__ grad_weight,      // [vocab, dim], accumulated into
    int64_t num_ids, int64_t dim, int64_t padding_idx)
{
    const int64_t i = (int64_t)blockIdx.x * ROWS_PER_BLOCK + threadIdx.y;
    if (i >= num_ids) return;
    const int64_t id = ids[i];
    if (id == padding_idx) return;

    const float* g = grad_out + i * dim;
    float* w = grad_weight + id * dim;
    for (int64_t d = threadIdx.x; d < dim; d += THREADS_PER_ROW)
        atomicAdd(&w[d], g[d]);
}
