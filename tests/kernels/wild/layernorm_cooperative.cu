// Layer normalisation with cooperative groups: the block is cut into tiles of 32 threads, and each
// tile takes rows in turn.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cuda_runtime.h>

namespace cg = cooperative_groups;

using Tile = cg::thread_block_tile<32>;

static __device__ float mean_over(const Tile& tile, float lane_sum, int count)
{
    return cg::reduce(tile, lane_sum, cg::plus<float>()) / count;
}

__global__ void layernorm_tiles(const float* __restrict__ x, const float* __restrict__ gain,
                                const float* __restrict__ shift, float* __restrict__ y,
                                int rows, int width, float eps)
{
    const cg::thread_block block = cg::this_thread_block();
    const Tile tile = cg::tiled_partition<32>(block);
    const int tiles = gridDim.x * tile.meta_group_size();

    for (int row = blockIdx.x * tile.meta_group_size() + tile.meta_group_rank(); row < rows;
         row += tiles) {
        const float* in = x + row * width;

        float sum = 0.f;
        for (int c = tile.thread_rank(); c < width; c += tile.size()) sum += in[c];
        const float mu = mean_over(tile, sum, width);

        float squares = 0.f;
        for (int c = tile.thread_rank(); c < width; c += tile.size()) {
            const float centred = in[c] - mu;
            squares += centred * centred;
        }
        const float inv = rsqrtf(mean_over(tile, squares, width) + eps);

        for (int c = tile.thread_rank(); c < width; c += tile.size())
            y[row * width + c] = (in[c] - mu) * inv * gain[c] + shift[c];
    }
}
