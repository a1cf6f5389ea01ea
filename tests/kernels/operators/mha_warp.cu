// A warp a head: lanes share the dot products; the scores of the head are kept by every lane.
#include <cuda_runtime.h>

#define B 1
#define S 2048
#define H 6
#define D 256

__global__ __launch_bounds__(32 * H) void mha_warp(const float* __restrict__ Q, const float* __restrict__ K,
                                                   const float* __restrict__ V, float* __restrict__ O) {
  const size_t position = blockIdx.x;
  const int head = threadIdx.x / 32, lane = threadIdx.x % 32;
  Q += (position * H + head) * D;
  O += (position * H + head) * D;
  K += position * H * D;
  V += position * H * D;

  float p[H];
  float top = -INFINITY;
#pragma unroll
  for (int g = 0; g < H; ++g) {
    float dot = 0.f;
    for (int d = lane; d < D; d += 32) dot += Q[d] * K[g * D + d];
#pragma unroll
    for (int mask = 16; mask; mask >>= 1) dot += __shfl_xor_sync(0xffffffff, dot, mask);
    p[g] = dot * rsqrtf((float)D);
    top = fmaxf(top, p[g]);
  }
  float total = 0.f;
#pragma unroll
  for (int g = 0; g < H; ++g) {
    p[g] = __expf(p[g] - top);
    total += p[g];
  }
  const float inverse = 1.f / total;
  for (int d = lane; d < D; d += 32) {
    float acc = 0.f;
#pragma unroll
    for (int g = 0; g < H; ++g) acc = fmaf(p[g], V[g * D + d], acc);
    O[d] = acc * inverse;
  }
}
