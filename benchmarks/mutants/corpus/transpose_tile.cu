__global__ void transpose(const float* x, float* y, int rows, int cols) {
  __shared__ float tile[8][9];
  int col = blockIdx.x * 8 + threadIdx.x;
  int row = blockIdx.y * 8 + threadIdx.y;
  if (row < rows && col < cols) {
    tile[threadIdx.y][threadIdx.x] = x[row * cols + col];
  }
  __syncthreads();
  int out_col = blockIdx.y * 8 + threadIdx.x;
  int out_row = blockIdx.x * 8 + threadIdx.y;
  if (out_row < cols && out_col < rows) {
    y[out_row * rows + out_col] = tile[threadIdx.x][threadIdx.y];
  }
}
