// 16-byte loads and stores throughout. The panel of A is stored transposed, so that the inner loop
// takes four rows of A and four columns of B with one float4 each.
#include <cuda_runtime.h>

namespace {

constexpr int kTile = 64;   // of rows and of columns
constexpr int kDepth = 16;  // of one panel
constexpr int kThreads = (kTile / 4) * (kTile / 4);

__device__ __forceinline__ float4 load4(const float *p) {
  return *reinterpret_cast<const float4 *>(p);
}

__device__ __forceinline__ void store4(float *p, float4 v) { *reinterpret_cast<float4 *>(p) = v; }

__device__ __forceinline__ void axpy4(float a, float4 x, float4 &y) {
  y.x += a * x.x;
  y.y += a * x.y;
  y.z += a * x.z;
  y.w += a * x.w;
}

__device__ __forceinline__ float4 blend(float alpha, float4 v, float beta, float4 old) {
  return make_float4(alpha * v.x + beta * old.x, alpha * v.y + beta * old.y,
                     alpha * v.z + beta * old.z, alpha * v.w + beta * old.w);
}

}  // namespace

__global__ void __launch_bounds__(kThreads)
sgemm_float4(const float *__restrict__ A, const float *__restrict__ B, float *__restrict__ C, int m,
             int n, int k, float alpha, float beta) {
  __shared__ __align__(16) float at[kDepth][kTile];
  __shared__ __align__(16) float bt[kDepth][kTile];

  const int t = threadIdx.x;
  const int tx = t % (kTile / 4), ty = t / (kTile / 4);
  const int row0 = blockIdx.y * kTile, col0 = blockIdx.x * kTile;

  // One float4 of each panel a thread: 256 threads, 64 * 16 / 4 vectors.
  const int a_row = t / (kDepth / 4), a_col = t % (kDepth / 4) * 4;
  const int b_row = t / (kTile / 4), b_col = t % (kTile / 4) * 4;

  float4 acc[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) acc[i] = make_float4(0.f, 0.f, 0.f, 0.f);

  for (int k0 = 0; k0 < k; k0 += kDepth) {
    const float4 a = load4(&A[(row0 + a_row) * k + k0 + a_col]);
    at[a_col + 0][a_row] = a.x;
    at[a_col + 1][a_row] = a.y;
    at[a_col + 2][a_row] = a.z;
    at[a_col + 3][a_row] = a.w;
    store4(&bt[b_row][b_col], load4(&B[(k0 + b_row) * n + col0 + b_col]));
    __syncthreads();

#pragma unroll
    for (int p = 0; p < kDepth; ++p) {
      const float4 av = load4(&at[p][ty * 4]);
      const float4 bv = load4(&bt[p][tx * 4]);
      axpy4(av.x, bv, acc[0]);
      axpy4(av.y, bv, acc[1]);
      axpy4(av.z, bv, acc[2]);
      axpy4(av.w, bv, acc[3]);
    }
    __syncthreads();
  }

#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float *dst = &C[(row0 + ty * 4 + i) * n + col0 + tx * 4];
    store4(dst, blend(alpha, acc[i], beta, load4(dst)));
  }
}
