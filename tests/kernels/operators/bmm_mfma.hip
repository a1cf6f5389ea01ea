#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

#define BATCH 1
#define M 128
#define K 128
#define N 128

using half4 = _Float16 __attribute__((ext_vector_type(4)));
using floatx4 = float __attribute__((ext_vector_type(4)));

// A wave makes 16 x 64 of C: four accumulators share one operand of A.
__global__ __launch_bounds__(64) void bmm_mfma(const _Float16* A, const _Float16* B, float* C) {
  const int l = threadIdx.x & 15, g = threadIdx.x >> 4;
  const _Float16* a_row = A + ((size_t)blockIdx.z * M + blockIdx.y * 16 + l) * K + 4 * g;
  const _Float16* b_col = B + (size_t)blockIdx.z * K * N + (4 * g) * N + blockIdx.x * 64 + l;
  float* c_col = C + ((size_t)blockIdx.z * M + blockIdx.y * 16 + 4 * g) * N + blockIdx.x * 64 + l;

  floatx4 acc[4] = {{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}};
  for (int k = 0; k < K; k += 16) {
    const half4 a = *(const half4*)(a_row + k);
    for (int t = 0; t < 4; ++t) {
      half4 b;
      for (int i = 0; i < 4; ++i) b[i] = b_col[(k + i) * N + 16 * t];
      acc[t] = __builtin_amdgcn_mfma_f32_16x16x16f16(a, b, acc[t], 0, 0, 0);
    }
  }
  for (int t = 0; t < 4; ++t)
    for (int i = 0; i < 4; ++i) c_col[i * N + 16 * t] = acc[t][i];
}
