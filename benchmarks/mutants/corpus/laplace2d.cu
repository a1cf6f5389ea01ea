// Five points inside, the input itself on the border.
__global__ void laplace(const float* x, float* y, int rows, int cols) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  int r = blockIdx.y * blockDim.y + threadIdx.y;
  if (r >= rows || c >= cols) return;
  float centre = x[r * cols + c];
  if (r > 0 && r < rows - 1 && c > 0 && c < cols - 1) {
    float up = x[(r - 1) * cols + c], down = x[(r + 1) * cols + c];
    float left = x[r * cols + c - 1], right = x[r * cols + c + 1];
    y[r * cols + c] = up + down + left + right - 4.0f * centre;
  } else {
    y[r * cols + c] = centre;
  }
}
