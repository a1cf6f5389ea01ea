// float -> half with aligned packs: one load and one store a pack, whatever the types. A scalar
// loop takes what is left at the end.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

template <typename T, int N>
struct alignas(sizeof(T) * N) Pack {
  T data[N];
};

template <typename To, typename From>
__device__ __forceinline__ To convert(From v) {
  return static_cast<To>(v);
}
template <>
__device__ __forceinline__ __half convert<__half, float>(float v) {
  return __float2half_rn(v);
}

template <typename In, typename Out, int N>
__global__ void cast_packs(const In* __restrict__ in, Out* __restrict__ out, int n) {
  const int packs = n / N;
  const int stride = gridDim.x * blockDim.x;
  const int first = blockIdx.x * blockDim.x + threadIdx.x;

  for (int p = first; p < packs; p += stride) {
    const Pack<In, N> src = reinterpret_cast<const Pack<In, N>*>(in)[p];
    Pack<Out, N> dst;
#pragma unroll
    for (int j = 0; j < N; ++j) dst.data[j] = convert<Out, In>(src.data[j]);
    reinterpret_cast<Pack<Out, N>*>(out)[p] = dst;
  }
  for (int i = packs * N + first; i < n; i += stride) out[i] = convert<Out, In>(in[i]);
}
