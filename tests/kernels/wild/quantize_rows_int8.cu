// Symmetric quantisation of activations, one scale a row: scale = max |x| / 127. A warp a row.
#include <cuda_runtime.h>
#include <stdint.h>

__global__ void quantize_per_token(const float* __restrict__ x, int8_t* __restrict__ q,
                                   float* __restrict__ scales, int rows, int cols) {
  const int warp = (blockIdx.x * blockDim.x + threadIdx.x) >> 5;
  const int lane = threadIdx.x & 31;
  if (warp >= rows) return;

  const float* row = x + static_cast<size_t>(warp) * cols;
  float amax = 1e-8f;
  for (int c = lane; c < cols; c += 32) amax = fmaxf(amax, fabsf(row[c]));
#pragma unroll
  for (int m = 16; m >= 1; m >>= 1) amax = fmaxf(amax, __shfl_xor_sync(0xffffffff, amax, m));

  const float inv = 127.0f / amax;
  int8_t* out = q + static_cast<size_t>(warp) * cols;
  for (int c = lane; c < cols; c += 32) {
    const int v = __float2int_rn(row[c] * inv);
    out[c] = static_cast<int8_t>(v < -127 ? -127 : (v > 127 ? 127 : v));
  }
  if (lane == 0) scales[warp] = amax / 127.0f;
}
