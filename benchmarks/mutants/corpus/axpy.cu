__global__ void axpy(const float* x, const float* b, float* y, float a, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    y[i] = a * x[i] - b[i] / 3.0f;
  }
}
