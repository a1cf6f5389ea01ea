// Rows of a table by number, zeros where the number is negative.
__global__ void gather(const float* table, const int* index, float* y, int picked, int cols) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  int r = blockIdx.y;
  if (r < picked && c < cols) {
    int from = index[r];
    y[r * cols + c] = from < 0 ? 0.0f : table[from * cols + c];
  }
}
