#include <hip/hip_runtime.h>

// Tiles of 8 rows, 16 columns and 8 steps; each thread makes two columns. b is transposed.
__global__ void matmul(const float* a, const float* b, const float* bias, float* c, int m, int k,
                       int n) {
  __shared__ float left[8][8];
  __shared__ float right[16][8];
  int tx = threadIdx.x, ty = threadIdx.y;
  int row = blockIdx.y * 8 + ty;
  int col = blockIdx.x * 16 + tx;
  float first = 0.0f, second = 0.0f;
  for (int at = 0; at < k; at += 8) {
    left[ty][tx] = row < m ? a[row * k + at + tx] : 0.0f;
    for (int part = 0; part < 16; part += 8) {
      int from = blockIdx.x * 16 + part + ty;
      right[part + ty][tx] = from < n ? b[from * k + at + tx] : 0.0f;
    }
    __syncthreads();
    for (int i = 0; i < 8; ++i) {
      first += left[ty][i] * right[tx][i];
      second += left[ty][i] * right[tx + 8][i];
    }
    __syncthreads();
  }
  if (row < m) {
    if (col < n) c[row * n + col] = first + bias[col];
    if (col + 8 < n) c[row * n + col + 8] = second + bias[col + 8];
  }
}
