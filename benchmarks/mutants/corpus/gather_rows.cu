// Rows of a table by number, zeros where there is no such row.
__global__ void gather(const float* table, const int* index, float* y, int entries, int picked,
                       int cols) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  int r = blockIdx.y;
  if (r < picked && c < cols) {
    int from = index[r];
    bool known = from >= 0 && from < entries;
    y[r * cols + c] = known ? table[from * cols + c] : 0.0f;
  }
}
