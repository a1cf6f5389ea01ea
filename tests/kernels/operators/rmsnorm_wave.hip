#include <hip/hip_runtime.h>

#define ROWS 2048
#define D 2048

typedef float floatx4 __attribute__((ext_vector_type(4)));

// A wave a row, four rows a block, vectors of Clang.
__global__ __launch_bounds__(256) void rmsnorm_wave(const float* __restrict__ x, float* __restrict__ y) {
  const int row = blockIdx.x * 4 + threadIdx.x / 64;
  const int lane = threadIdx.x % 64;
  if (row >= ROWS) return;
  const floatx4* in = reinterpret_cast<const floatx4*>(x + (size_t)row * D);
  floatx4* out = reinterpret_cast<floatx4*>(y + (size_t)row * D);
  float square = 0.0f;
  for (int i = lane; i < D / 4; i += 64) {
    const floatx4 v = in[i] * in[i];
    square += v[0] + v[1] + v[2] + v[3];
  }
  for (int offset = 32; offset > 0; offset /= 2) square += __shfl_xor(square, offset);
  const float scale = rsqrtf(square / D + 1e-5f);
  for (int i = lane; i < D / 4; i += 64) out[i] = in[i] * scale;
}
