// Unsigned pixels, signed weights.
__global__ void conv_u8(const unsigned char* x, const signed char* w, int* y, int n, int taps) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n - taps + 1) {
    int sum = 0;
    for (int k = 0; k < taps; ++k) {
      int pixel = x[i + k];
      int weight = w[k];
      sum += pixel * weight;
    }
    y[i] = sum;
  }
}
