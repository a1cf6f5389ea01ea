#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

#define M 16
#define K 64
#define N 64

typedef _Float16 half4_t __attribute__((ext_vector_type(4)));
typedef float float4_t __attribute__((ext_vector_type(4)));

// Two waves share a 16 x 16 tile, each half of K; the second hands its part over through LDS.
__global__ __launch_bounds__(128) void dense_mfma(const _Float16* A, const _Float16* B, const float* bias, float* C) {
  __shared__ float4_t handed[64];
  const int lane = threadIdx.x % 64, half = threadIdx.x / 64;
  const int i = lane % 16, q = lane / 16;
  const int row0 = blockIdx.y * 16, col = blockIdx.x * 16 + i;

  float4_t acc = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int k0 = half * (K / 2); k0 < (half + 1) * (K / 2); k0 += 16) {
    const half4_t a = *reinterpret_cast<const half4_t*>(A + (row0 + i) * K + k0 + 4 * q);
    half4_t b;
#pragma unroll
    for (int j = 0; j < 4; ++j) b[j] = B[(k0 + 4 * q + j) * N + col];
    acc = __builtin_amdgcn_mfma_f32_16x16x16f16(a, b, acc, 0, 0, 0);
  }
  if (half == 1) handed[lane] = acc;
  __syncthreads();
  if (half == 0) {
    acc += handed[lane];
#pragma unroll
    for (int r = 0; r < 4; ++r) C[(row0 + 4 * q + r) * N + col] = acc[r] + bias[col];
  }
}
