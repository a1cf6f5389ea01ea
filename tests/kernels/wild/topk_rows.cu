// The K largest of each row with their columns, a thread a row. A sorted list in registers takes
// new values by insertion; equal values keep the order of their columns.
#include <cuda_runtime.h>
#include <float.h>

template <int K>
__device__ __forceinline__ void insert(float (&best)[K], int (&where)[K], float v, int i)
{
    if (!(v > best[K - 1])) return;
    best[K - 1] = v;
    where[K - 1] = i;
#pragma unroll
    for (int p = K - 1; p > 0; --p) {
        if (best[p] > best[p - 1]) {
            const float tv = best[p];
            best[p] = best[p - 1];
            best[p - 1] = tv;
            const int ti = where[p];
            where[p] = where[p - 1];
            where[p - 1] = ti;
        }
    }
}

template <int K>
__global__ void topk(const float* __restrict__ x, float* __restrict__ values,
                     int* __restrict__ indices, int rows, int cols)
{
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;

    float best[K];
    int where[K];
#pragma unroll
    for (int p = 0; p < K; ++p) {
        best[p] = -FLT_MAX;
        where[p] = -1;
    }
    for (int c = 0; c < cols; ++c) insert<K>(best, where, x[row * cols + c], c);

#pragma unroll
    for (int p = 0; p < K; ++p) {
        values[row * K + p] = best[p];
        indices[row * K + p] = where[p];
    }
}
