// Grouped queries, online softmax: a thread a row of Q, keys and values staged in tiles of 32.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#define B 1
#define H 2
#define SQ 16
#define D 16
#define SK 512
#define G (H / 2)
#define TILE 32

__global__ void gqa(const half* __restrict__ Q, const half* __restrict__ K, const half* __restrict__ V,
                    float* __restrict__ O) {
  __shared__ float ks[TILE][D];
  __shared__ float vs[TILE][D];
  const int h = blockIdx.x, b = blockIdx.y;
  const int row = threadIdx.x;
  const int keys = (b * G + h / 2) * SK * D;
  const int queries = ((b * H + h) * SQ + row) * D;

  float q[D], acc[D];
  for (int d = 0; d < D; ++d) {
    q[d] = __half2float(Q[queries + d]) * 0.25f;  // 1 / sqrt(D), D = 16
    acc[d] = 0.f;
  }
  float m = -1e30f, l = 0.f;
  for (int start = 0; start < SK; start += TILE) {
    for (int e = threadIdx.x; e < TILE * D; e += SQ) {
      ks[e / D][e % D] = __half2float(K[keys + start * D + e]);
      vs[e / D][e % D] = __half2float(V[keys + start * D + e]);
    }
    __syncthreads();
    for (int j = 0; j < TILE; ++j) {
      float s = 0.f;
      for (int d = 0; d < D; ++d) s += q[d] * ks[j][d];
      const float next = fmaxf(m, s);
      const float keep = __expf(m - next), p = __expf(s - next);
      l = l * keep + p;
      for (int d = 0; d < D; ++d) acc[d] = acc[d] * keep + p * vs[j][d];
      m = next;
    }
    __syncthreads();
  }
  for (int d = 0; d < D; ++d) O[queries + d] = acc[d] / l;
}
