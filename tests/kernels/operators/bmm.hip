#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

#define BATCH 1
#define M 128
#define K 128
#define N 128

// A work item makes two neighbouring columns with packed halves of B.
__global__ void bmm(const __half* __restrict__ A, const __half* __restrict__ B, float* __restrict__ C) {
  const int pair = blockIdx.x * blockDim.x + threadIdx.x;
  const int row = blockIdx.y * blockDim.y + threadIdx.y;
  const int batch = blockIdx.z;
  if (2 * pair >= N || row >= M) return;
  const __half* a = A + (batch * M + row) * K;
  const __half2* b = reinterpret_cast<const __half2*>(B + batch * K * N) + pair;
  float left = 0.0f, right = 0.0f;
  for (int k = 0; k < K; ++k) {
    const float v = __half2float(a[k]);
    const float2 two = __half22float2(b[k * (N / 2)]);
    left = fmaf(v, two.x, left);
    right = fmaf(v, two.y, right);
  }
  float* c = C + (batch * M + row) * N + 2 * pair;
  c[0] = left;
  c[1] = right;
}
