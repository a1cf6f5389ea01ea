// Elementwise operations as functors: one kernel, the operation a template argument.
#include <cuda_runtime.h>
#include <math.h>

namespace ops {

template <int PERCENT>
struct LeakyRelu {
  __device__ __forceinline__ float operator()(float x) const {
    return x >= 0.0f ? x : x * (PERCENT / 100.0f);
  }
};

struct Gelu {
  static constexpr float kSqrt1_2 = 0.70710678f;
  __device__ __forceinline__ float operator()(float x) const {
    return 0.5f * x * (1.0f + erff(x * kSqrt1_2));
  }
};

template <class First, class Second>
struct Compose {
  __device__ __forceinline__ float operator()(float x) const { return Second()(First()(x)); }
};

}  // namespace ops

template <class Op>
__device__ void transform(const float* in, float* out, int n, Op op) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    out[i] = op(in[i]);
  }
}

template <class Op>
__global__ void elementwise_kernel(const float* __restrict__ in, float* __restrict__ out, int n) {
  transform(in, out, n, Op());
}
