// Column means over a tall matrix: a block a column, the group's own shuffles in tiles of 16, tile
// results in shared memory.
#include <cooperative_groups.h>
#include <cuda_runtime.h>

using namespace cooperative_groups;

template <typename Group>
__device__ float group_sum(const Group& g, float v) {
  for (int i = g.size() / 2; i > 0; i /= 2) v += g.shfl_down(v, i);
  return v;
}

__global__ void column_means(const float* x, float* mean, int rows, int cols) {
  __shared__ float per_tile[64];
  thread_block cta = this_thread_block();
  auto tile = tiled_partition<16>(cta);

  float v = 0.0f;
  for (int r = cta.thread_rank(); r < rows; r += cta.size()) v += x[r * cols + blockIdx.x];
  v = group_sum(tile, v);
  if (tile.thread_rank() == 0) per_tile[cta.thread_rank() / tile.size()] = v;
  sync(cta);

  if (cta.thread_rank() == 0) {
    float total = 0.0f;
    for (int t = 0; t < cta.size() / tile.size(); ++t) total += per_tile[t];
    mean[blockIdx.x] = total / rows;
  }
}
