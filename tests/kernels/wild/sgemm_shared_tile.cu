// Square tiles of A and B in shared memory. The block is one-dimensional; edges are padded with
// zeros, so any size goes.
#include <cuda_runtime.h>

#define CEIL_DIV(a, b) (((a) + (b) - 1) / (b))

template <int T>
struct Tile {
  float at[T][T];

  // The tile's element (r, c) from a matrix of `rows` x `cols` at (row0 + r, col0 + c).
  __device__ void fetch(const float *m, int row0, int col0, int rows, int cols, int r, int c) {
    const int row = row0 + r, col = col0 + c;
    at[r][c] = (row < rows && col < cols) ? m[row * cols + col] : 0.0f;
  }
};

template <int T>
__global__ void sgemm_tiled(const float *A, const float *B, float *C, int m, int n, int k,
                            float alpha, float beta) {
  __shared__ Tile<T> ta, tb;

  const int r = threadIdx.x / T;
  const int c = threadIdx.x % T;
  const int row0 = blockIdx.y * T;
  const int col0 = blockIdx.x * T;

  float dot = 0.0f;
  for (int step = 0; step < CEIL_DIV(k, T); ++step) {
    ta.fetch(A, row0, step * T, m, k, r, c);
    tb.fetch(B, step * T, col0, k, n, r, c);
    __syncthreads();
#pragma unroll
    for (int p = 0; p < T; ++p) dot += ta.at[r][p] * tb.at[p][c];
    __syncthreads();
  }

  if (row0 + r < m && col0 + c < n) {
    float &dst = C[(row0 + r) * n + col0 + c];
    dst = alpha * dot + beta * dst;
  }
}
