#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

#define M 32
#define K 32
#define N 128
#define BM 32
#define BN 128
#define BK 16

typedef _Float16 f16x4 __attribute__((ext_vector_type(4)));
typedef float f32x16 __attribute__((ext_vector_type(16)));

// Four waves a block, each a 32 x 32 tile beside the others; operands pass through LDS, B turned so
// that a lane's four k lie together.
extern "C" __global__ void __launch_bounds__(256)
gemm_mfma_shared(const _Float16* __restrict__ A, const _Float16* __restrict__ B, float* __restrict__ C) {
  __shared__ _Float16 sa[BM][BK + 4];
  __shared__ _Float16 sb[BN][BK + 4];
  const int tid = threadIdx.x;
  const int lane = tid & 63;
  const int wave = tid >> 6;
  const int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;

  f32x16 acc;
#pragma unroll
  for (int r = 0; r < 16; ++r) acc[r] = 0.0f;

  for (int k0 = 0; k0 < K; k0 += BK) {
    for (int e = tid; e < BM * BK; e += 256) sa[e / BK][e % BK] = A[(m0 + e / BK) * K + k0 + e % BK];
    for (int e = tid; e < BN * BK; e += 256) sb[e % BN][e / BN] = B[(k0 + e / BN) * N + n0 + e % BN];
    __syncthreads();
#pragma unroll
    for (int kk = 0; kk < BK; kk += 8) {
      const int k = kk + 4 * (lane >> 5);
      const f16x4 a = *reinterpret_cast<const f16x4*>(&sa[lane & 31][k]);
      const f16x4 b = *reinterpret_cast<const f16x4*>(&sb[wave * 32 + (lane & 31)][k]);
      acc = __builtin_amdgcn_mfma_f32_32x32x8f16(a, b, acc, 0, 0, 0);
    }
    __syncthreads();
  }

#pragma unroll
  for (int r = 0; r < 16; ++r) {
    const int row = m0 + 8 * (r / 4) + 4 * (lane >> 5) + r % 4;
    C[row * N + n0 + wave * 32 + (lane & 31)] = acc[r];
  }
}
