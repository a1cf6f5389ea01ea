// Bytes from floats: scaled, rounded, clamped.
__global__ void quantize(const float* x, signed char* y, int n, float scale) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    int q = (int)rintf(x[i] / scale);
    q = max(q, -128);
    q = min(q, 127);
    y[i] = (signed char)q;
  }
}
