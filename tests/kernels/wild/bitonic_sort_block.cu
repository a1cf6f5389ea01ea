// Bitonic sort of keys with payloads inside a block. Arrays shorter than the block are filled up
// with the largest key; `ascending` chooses the direction.
#include <cuda_runtime.h>

template <typename T>
__device__ inline void compare_exchange(T &ka, int &va, T &kb, int &vb, bool up)
{
    if ((ka > kb) == up) {
        T k = ka; ka = kb; kb = k;
        int v = va; va = vb; vb = v;
    }
}

template <int N>
__global__ void bitonic_sort(const float *keys_in, float *keys_out, int *order, int n, int ascending)
{
    __shared__ float key[N];
    __shared__ int val[N];
    const int t = threadIdx.x;  // blockDim.x == N / 2
    const float filler = ascending ? 3.0e38f : -3.0e38f;

    for (int i = t; i < N; i += N / 2) {
        key[i] = i < n ? keys_in[blockIdx.x * n + i] : filler;
        val[i] = i;
    }

    for (int size = 2; size <= N; size <<= 1) {
        // direction alternates between runs; the last run has the one that is asked for
        const bool up = ((t & (size / 2)) == 0) == (ascending != 0);
        for (int stride = size / 2; stride > 0; stride >>= 1) {
            __syncthreads();
            const int pos = 2 * t - (t & (stride - 1));
            compare_exchange(key[pos], val[pos], key[pos + stride], val[pos + stride], up);
        }
    }
    __syncthreads();

    for (int i = t; i < n; i += N / 2) {
        keys_out[blockIdx.x * n + i] = key[i];
        order[blockIdx.x * n + i] = val[i];
    }
}
