// Cumulative sum over the middle of [outer, length, inner], a thread for each (outer, inner) pair.
// Accumulates in double: long sums of floats drift.
#include <cuda_runtime.h>

__global__ void cumsum_inner_kernel(
    const float* __restrict__ self,
    float* __restrict__ result,
    const size_t num_orows,
    const size_t num_irows,
    const size_t row_size) {
  const size_t total = num_orows * num_irows;
  for (size_t t = blockIdx.x * (size_t)blockDim.x + threadIdx.x; t < total;
       t += (size_t)gridDim.x * blockDim.x) {
    const size_t orow = t / num_irows;
    const size_t irow = t % num_irows;
    const float* src = self + orow * row_size * num_irows + irow;
    float* tgt = result + orow * row_size * num_irows + irow;
    double acc = 0.0;
    for (size_t col = 0; col < row_size; ++col) {
      acc += *src;
      *tgt = static_cast<float>(acc);
      src += num_irows;
      tgt += num_irows;
    }
  }
}
