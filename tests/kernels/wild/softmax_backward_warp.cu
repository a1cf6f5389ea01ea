// dx = y * (dy - sum(dy * y)) for each row, a warp a row, optionally scaled. In place over dy.
#include <cuda_runtime.h>
#include <cstdint>

template <int kWarpsPerBlock>
__global__ __launch_bounds__(32 * kWarpsPerBlock) void softmax_grad(
    float* __restrict__ grad, const float* __restrict__ output, const int64_t rows,
    const int64_t cols, const float scale) {
  const int64_t row = int64_t(blockIdx.x) * kWarpsPerBlock + threadIdx.x / 32;
  const unsigned lane = threadIdx.x % 32u;
  if (row >= rows) return;

  float* dy = grad + row * cols;
  const float* y = output + row * cols;

  float inner = 0.f;
  for (int64_t c = lane; c < cols; c += 32) inner += dy[c] * y[c];
  for (unsigned bit = 1; bit < 32; bit <<= 1) inner += __shfl_xor_sync(~0u, inner, bit);

  for (int64_t c = lane; c < cols; c += 32) dy[c] = scale * y[c] * (dy[c] - inner);
}
