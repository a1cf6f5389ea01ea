// A block a row; mean and variance by two trees in the same shared memory.
__global__ void layernorm(const float* x, const float* gamma, const float* beta, float* y,
                          int cols) {
  __shared__ float part[64];
  int t = threadIdx.x;
  const float* in = x + blockIdx.x * cols;
  float sum = 0.0f;
  for (int c = t; c < cols; c += 64) sum += in[c];
  part[t] = sum;
  __syncthreads();
  for (int half = 32; half > 0; half >>= 1) {
    if (t < half) part[t] += part[t + half];
    __syncthreads();
  }
  float mean = part[0] / cols;
  __syncthreads();
  float squares = 0.0f;
  for (int c = t; c < cols; c += 64) {
    float centred = in[c] - mean;
    squares += centred * centred;
  }
  part[t] = squares;
  __syncthreads();
  for (int half = 32; half > 0; half >>= 1) {
    if (t < half) part[t] += part[t + half];
    __syncthreads();
  }
  float scale = rsqrtf(part[0] / cols + 0.1f);
  for (int c = t; c < cols; c += 64) {
    y[blockIdx.x * cols + c] = (in[c] - mean) * scale * gamma[c] + beta[c];
  }
}
