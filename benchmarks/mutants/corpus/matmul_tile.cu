#define TILE 8

__global__ void matmul(const float* a, const float* b, float* c, int m, int k, int n) {
  __shared__ float left[TILE][TILE];
  __shared__ float right[TILE][TILE];
  int tx = threadIdx.x, ty = threadIdx.y;
  int row = blockIdx.y * TILE + ty;
  int col = blockIdx.x * TILE + tx;
  float sum = 0.0f;
  for (int start = 0; start < k; start += TILE) {
    left[ty][tx] = row < m ? a[row * k + start + tx] : 0.0f;
    right[ty][tx] = col < n ? b[(start + ty) * n + col] : 0.0f;
    __syncthreads();
    for (int i = 0; i < TILE; ++i) {
      sum += left[ty][i] * right[i][tx];
    }
    __syncthreads();
  }
  if (row < m && col < n) {
    c[row * n + col] = sum;
  }
}
