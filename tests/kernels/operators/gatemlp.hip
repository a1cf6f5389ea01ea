#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

#define M 32
#define K 64
#define N 64
#define BLOCK 64

// A row of X in LDS, 64 columns a block.
__global__ __launch_bounds__(BLOCK) void gatemlp(const __half* __restrict__ X, const __half* __restrict__ A,
                                                 const __half* __restrict__ B, float* __restrict__ Y) {
  __shared__ float row[K];
  const int m = blockIdx.y;
  for (int k = threadIdx.x; k < K; k += BLOCK) row[k] = __half2float(X[m * K + k]);
  __syncthreads();
  const int n = blockIdx.x * BLOCK + threadIdx.x;
  if (n < N) {
    float gate = 0.0f, up = 0.0f;
    for (int k = 0; k < K; k += 4) {
#pragma unroll
      for (int u = 0; u < 4; ++u) {
        gate += row[k + u] * __half2float(A[(k + u) * N + n]);
        up += row[k + u] * __half2float(B[(k + u) * N + n]);
      }
    }
    Y[m * N + n] = gate / (1.0f + __expf(-gate)) * up;
  }
}
