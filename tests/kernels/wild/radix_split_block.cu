// Stable split of a block's keys by one bit, repeated for BITS bits: a radix sort of small keys.
// The rank among zeros comes from a scan of predicates by ballots.
#include <cuda_runtime.h>

template <int THREADS>
__device__ int exclusive_count(bool predicate, int *warp_sums, int &total)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const unsigned votes = __ballot_sync(0xffffffff, predicate);
    const int before = __popc(votes & ((1u << lane) - 1));
    if (lane == 0) warp_sums[warp] = __popc(votes);
    __syncthreads();

    int offset = 0;
    total = 0;
    #pragma unroll
    for (int w = 0; w < THREADS / 32; ++w) {
        offset += w < warp ? warp_sums[w] : 0;
        total += warp_sums[w];
    }
    __syncthreads();
    return offset + before;
}

template <int THREADS, int BITS>
__global__ void sort_small_keys(const unsigned int *in, unsigned int *out, int n)
{
    __shared__ unsigned int keys[THREADS];
    __shared__ int warp_sums[THREADS / 32];

    const int t = threadIdx.x;
    const int i = blockIdx.x * THREADS + t;
    keys[t] = i < n ? in[i] : 0xffffffffu;  // padding sorts to the end
    __syncthreads();

    for (int bit = 0; bit < BITS; ++bit) {
        const unsigned int key = keys[t];
        const bool zero = ((key >> bit) & 1u) == 0;
        int zeros;
        const int rank = exclusive_count<THREADS>(zero, warp_sums, zeros);
        keys[zero ? rank : zeros + t - rank] = key;
        __syncthreads();
    }
    if (i < n) out[i] = keys[t];
}
