// Layer normalisation, a block a row, moments by Welford's recurrence: no cancellation in
// E[x^2] - E[x]^2. Partial moments of lanes and warps are merged by Chan's formula.
#include <cuda_runtime.h>
#include <cstdint>

struct WelfordData {
  float mean;
  float m2;
  float count;
};

static __device__ __forceinline__ WelfordData welford_add(WelfordData d, float x) {
  const float count = d.count + 1.0f;
  const float delta = x - d.mean;
  const float mean = d.mean + delta / count;
  return {mean, d.m2 + delta * (x - mean), count};
}

static __device__ __forceinline__ WelfordData welford_merge(WelfordData a, WelfordData b) {
  const float count = a.count + b.count;
  if (count == 0.0f) return a;
  const float delta = b.mean - a.mean;
  const float part = b.count / count;
  return {a.mean + delta * part, a.m2 + b.m2 + delta * delta * a.count * part, count};
}

static __device__ __forceinline__ WelfordData warp_merge(WelfordData d) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) {
    WelfordData other;
    other.mean = __shfl_xor_sync(0xffffffff, d.mean, offset);
    other.m2 = __shfl_xor_sync(0xffffffff, d.m2, offset);
    other.count = __shfl_xor_sync(0xffffffff, d.count, offset);
    d = welford_merge(d, other);
  }
  return d;
}

template <int kWarps>
__global__ void layernorm_welford(const float* X, const float* gamma, const float* beta, float* Y,
                                  int64_t N, float eps) {
  __shared__ WelfordData partial[kWarps];
  const int lane = threadIdx.x & 31;
  const int warp = threadIdx.x >> 5;
  const int64_t base = blockIdx.x * N;

  WelfordData d = {0.0f, 0.0f, 0.0f};
  for (int64_t j = threadIdx.x; j < N; j += blockDim.x) d = welford_add(d, X[base + j]);
  d = warp_merge(d);

  if (lane == 0) partial[warp] = d;
  __syncthreads();
  d = partial[0];
  for (int w = 1; w < kWarps; ++w) d = welford_merge(d, partial[w]);

  const float rstd = rsqrtf(d.m2 / d.count + eps);
  for (int64_t j = threadIdx.x; j < N; j += blockDim.x) {
    const float scale = gamma == nullptr ? 1.0f : gamma[j];
    const float shift = beta == nullptr ? 0.0f : beta[j];
    Y[base + j] = (X[base + j] - d.mean) * rstd * scale + shift;
  }
}
