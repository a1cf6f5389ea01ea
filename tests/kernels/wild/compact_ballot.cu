// Stream compaction inside a block: elements above a threshold move to the front of the block's
// part, in order. Ranks in a warp by ballot and popc, offsets of warps through shared memory.
// Behind the survivors the part is filled with -1.
#include <cuda_runtime.h>

#define WARPS 4
#define BLOCK (32 * WARPS)

__device__ __forceinline__ unsigned lane_mask_lt(unsigned lane) { return (1u << lane) - 1u; }

__global__ void __launch_bounds__(BLOCK)
compact_blocks(const int* __restrict__ in, int* __restrict__ out, int* __restrict__ counts,
               int n, int threshold)
{
    __shared__ int warp_count[WARPS];

    const unsigned lane = threadIdx.x & 31u;
    const unsigned warp = threadIdx.x >> 5;
    const int gid = blockIdx.x * BLOCK + threadIdx.x;

    const int value = gid < n ? in[gid] : 0;
    const bool keep = gid < n && value > threshold;

    const unsigned votes = __ballot_sync(0xffffffffu, keep);
    if (lane == 0) warp_count[warp] = __popc(votes);
    __syncthreads();

    int base = 0, total = 0;
    for (int w = 0; w < WARPS; ++w) {
        if (w < warp) base += warp_count[w];
        total += warp_count[w];
    }

    int* part = out + blockIdx.x * BLOCK;
    if (threadIdx.x >= total) part[threadIdx.x] = -1;
    if (keep) part[base + __popc(votes & lane_mask_lt(lane))] = value;
    if (threadIdx.x == 0) counts[blockIdx.x] = total;
}
