#include <hip/hip_runtime.h>

#define N 1
#define C 1
#define H 64
#define W 64

struct Moments {
  float count, mean, m2;
};

// Welford's moments of two sets joined.
__device__ inline Moments join(const Moments& a, const Moments& b) {
  const float count = a.count + b.count;
  if (count == 0.0f) return a;
  const float delta = b.mean - a.mean;
  return {count, a.mean + delta * (b.count / count), a.m2 + b.m2 + delta * delta * (a.count * b.count / count)};
}

// A plane a block, in dynamic LDS.
__global__ void instancenorm(const float* x, float* y) {
  HIP_DYNAMIC_SHARED(Moments, all)
  const int t = threadIdx.x;
  const float* in = x + blockIdx.x * (H * W);
  Moments mine = {0.0f, 0.0f, 0.0f};
  for (int i = t; i < H * W; i += blockDim.x) {
    const Moments one = {1.0f, in[i], 0.0f};
    mine = join(mine, one);
  }
  all[t] = mine;
  __syncthreads();
  for (int s = blockDim.x / 2; s > 0; s >>= 1) {
    if (t < s) all[t] = join(all[t], all[t + s]);
    __syncthreads();
  }
  const float mean = all[0].mean;
  const float inverse = rsqrtf(all[0].m2 / (H * W) + 1e-5f);
  for (int i = t; i < H * W; i += blockDim.x) y[blockIdx.x * (H * W) + i] = (in[i] - mean) * inverse;
}
