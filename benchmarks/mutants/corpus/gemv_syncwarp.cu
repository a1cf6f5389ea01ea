// A warp a row; lanes hand their sums over in shared memory.
__global__ void gemv(const float* a, const float* x, float* y, int rows, int cols) {
  __shared__ float sums[2][32];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int row = blockIdx.x * 2 + warp;
  float sum = 0.0f;
  if (row < rows) {
    for (int c = lane; c < cols; c += 32) sum += a[row * cols + c] * x[c];
  }
  sums[warp][lane] = sum;
  __syncwarp();
  for (int half = 16; half > 0; half /= 2) {
    if (lane < half) sums[warp][lane] += sums[warp][lane + half];
    __syncwarp();
  }
  if (lane == 0 && row < rows) y[row] = sums[warp][0];
}
