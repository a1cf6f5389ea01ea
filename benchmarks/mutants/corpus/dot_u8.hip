#include <hip/hip_runtime.h>

// Unsigned activations, signed weights, a requantised byte as the result.
__global__ void dot_u8(const uint8_t* x, const int8_t* w, const int* bias, uint8_t* y, int rows,
                       int cols, int inner) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  int r = blockIdx.y * blockDim.y + threadIdx.y;
  if (r < rows && c < cols) {
    int sum = bias[c];
    for (int i = 0; i < inner; ++i) {
      sum += (int)x[r * inner + i] * (int)w[c * inner + i];
    }
    sum = sum >> 9;
    sum = sum < 0 ? 0 : sum;
    sum = sum > 255 ? 255 : sum;
    y[r * cols + c] = (uint8_t)sum;
  }
}
