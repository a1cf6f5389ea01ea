// y[z][r][c] = x[z][r][c] * w[c] + g[z][r], with a row pitch in y.
__global__ void blend3d(const float* x, const float* w, const float* g, float* y, int depth,
                        int rows, int cols, int pitch) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  int r = blockIdx.y * blockDim.y + threadIdx.y;
  int z = blockIdx.z * blockDim.z + threadIdx.z;
  if (z < depth && r < rows && c < cols) {
    float v = x[(z * rows + r) * cols + c];
    y[(z * rows + r) * pitch + c] = v * w[c] + g[z * rows + r];
  }
}
