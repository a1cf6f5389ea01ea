// Sums of the columns' squares, one block a row.
__global__ void sum_tree(const float* x, float* y, int cols) {
  extern __shared__ float partial[];
  int t = threadIdx.x;
  float sum = 0.0f;
  for (int c = t; c < cols; c += blockDim.x) {
    float v = x[blockIdx.x * cols + c];
    sum += v * v;
  }
  partial[t] = sum;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (t < half) partial[t] += partial[t + half];
    __syncthreads();
  }
  if (t == 0) y[blockIdx.x] = partial[0];
}
