#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

#define M 32
#define K 64
#define N 64

typedef _Float16 half4_t __attribute__((ext_vector_type(4)));
typedef float float4_t __attribute__((ext_vector_type(4)));

__device__ inline half4_t column_of(const _Float16* w, int k, int col) {
  return half4_t{w[k * N + col], w[(k + 1) * N + col], w[(k + 2) * N + col], w[(k + 3) * N + col]};
}

// Both products of a 16 x 16 tile in one wave; a lane's elements of the two correspond.
__global__ __launch_bounds__(64) void gatemlp_mfma(const _Float16* X, const _Float16* A, const _Float16* B, float* Y) {
  const int lane = threadIdx.x;
  const int row0 = blockIdx.y * 16, col = blockIdx.x * 16 + lane % 16;
  const int depth = lane / 16 * 4;
  float4_t gate = {0.0f, 0.0f, 0.0f, 0.0f}, up = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int k0 = 0; k0 < K; k0 += 16) {
    const half4_t x = *reinterpret_cast<const half4_t*>(X + (row0 + lane % 16) * K + k0 + depth);
    gate = __builtin_amdgcn_mfma_f32_16x16x16f16(x, column_of(A, k0 + depth, col), gate, 0, 0, 0);
    up = __builtin_amdgcn_mfma_f32_16x16x16f16(x, column_of(B, k0 + depth, col), up, 0, 0, 0);
  }
  for (int r = 0; r < 4; ++r) {
    const float silu = gate[r] / (1.0f + expf(-gate[r]));
    Y[(row0 + depth + r) * N + col] = silu * up[r];
  }
}
