#include <hip/hip_runtime.h>
typedef float float4_t __attribute__((ext_vector_type(4)));

// A wave a tile of 16 by 16; lane l brings row l % 16 of a and column l % 16 of b.
__global__ void mfma_gemm(const float* a, const float* b, float* c, int k, int n) {
  int lane = threadIdx.x;
  int part = lane / 16, at = lane % 16;
  int row = blockIdx.y * 16, col = blockIdx.x * 16;
  float4_t sum = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int i = 0; i < k; i += 4) {
    float left = a[(row + at) * k + i + part];
    float right = b[(i + part) * n + col + at];
    sum = __builtin_amdgcn_mfma_f32_16x16x4f32(left, right, sum, 0, 0, 0);
  }
  for (int r = 0; r < 4; ++r) {
    c[(row + part * 4 + r) * n + col + at] = sum[r];
  }
}
