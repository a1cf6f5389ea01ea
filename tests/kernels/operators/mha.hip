#include <hip/hip_runtime.h>

#define B 1
#define S 2048
#define H 6
#define D 256

// A wave a position: for each head the scores of all heads one after another, each summed over the
// lanes; the softmax is every lane's own.
__global__ __launch_bounds__(64) void mha(const float* __restrict__ Q, const float* __restrict__ K,
                                          const float* __restrict__ V, float* __restrict__ O) {
  const int lane = threadIdx.x;
  const size_t position = (size_t)blockIdx.x * (H * D);
  const float root = 1.0f / sqrtf((float)D);
  for (int h = 0; h < H; ++h) {
    float p[H];
    float m = -INFINITY, total = 0.0f;
    for (int g = 0; g < H; ++g) {
      float dot = 0.0f;
      for (int d = lane; d < D; d += 64) dot += Q[position + h * D + d] * K[position + g * D + d];
      for (int offset = 32; offset; offset >>= 1) dot += __shfl_xor(dot, offset, 64);
      p[g] = dot * root;
      m = fmaxf(m, p[g]);
    }
    for (int g = 0; g < H; ++g) {
      p[g] = expf(p[g] - m);
      total += p[g];
    }
    for (int d = lane; d < D; d += 64) {
      float acc = 0.0f;
      for (int g = 0; g < H; ++g) acc += p[g] / total * V[position + g * D + d];
      O[position + h * D + d] = acc;
    }
  }
}
