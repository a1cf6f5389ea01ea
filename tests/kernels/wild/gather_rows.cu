// out[i, :] = table[index[i], :]. Negative indices count from the end; what lies outside gives zeros.
#include <cuda_runtime.h>
#include <cstdint>

template <typename scalar_t, typename index_t>
__global__ void index_select_rows(const scalar_t* __restrict__ table,
                                  const index_t* __restrict__ index,
                                  scalar_t* __restrict__ out,
                                  int64_t num_index, int64_t num_rows, int64_t width) {
  const int64_t total = num_index * width;
  for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < total;
       i += (int64_t)gridDim.x * blockDim.x) {
    index_t row = index[i / width];
    if (row < 0) row += num_rows;
    const bool valid = row >= 0 && row < num_rows;
    out[i] = valid ? table[row * width + i % width] : scalar_t(0);
  }
}
