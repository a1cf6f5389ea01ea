#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

#define M 32
#define K 32
#define N 128

typedef _Float16 half4_t __attribute__((ext_vector_type(4)));
typedef float float4_t __attribute__((ext_vector_type(4)));

// A wave a 16 x 16 tile of C. Lane l gives row (column) l % 16 and four k from 4 * (l / 16) on, and
// receives four rows of column l % 16.
__global__ __launch_bounds__(64) void gemm_mfma(const _Float16* __restrict__ A, const _Float16* __restrict__ B,
                                                float* __restrict__ C) {
  const int lane = threadIdx.x;
  const int within = lane % 16;
  const int group = lane / 16;
  const int row = blockIdx.y * 16, col = blockIdx.x * 16;

  float4_t acc = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int k0 = 0; k0 < K; k0 += 16) {
    half4_t a, b;
    for (int i = 0; i < 4; ++i) {
      const int k = k0 + 4 * group + i;
      a[i] = A[(row + within) * K + k];
      b[i] = B[k * N + col + within];
    }
    acc = __builtin_amdgcn_mfma_f32_16x16x16f16(a, b, acc, 0, 0, 0);
  }
  for (int i = 0; i < 4; ++i) {
    C[(row + 4 * group + i) * N + col + within] = acc[i];
  }
}
