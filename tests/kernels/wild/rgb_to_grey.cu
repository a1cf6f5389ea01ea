// uchar3 pixels to grey with integer weights (BT.601 in 1/256), rows padded to a pitch.
#include <cuda_runtime.h>

struct Weights {
  static const int r = 77;
  static const int g = 150;
  static const int b = 29;
};

__global__ void rgb2grey(const uchar3* __restrict__ rgb, unsigned char* __restrict__ grey, int width,
                         int height, size_t grey_pitch) {
  const int col = blockIdx.x * blockDim.x + threadIdx.x;
  const int row = blockIdx.y * blockDim.y + threadIdx.y;
  if (col < width && row < height) {
    const uchar3 p = rgb[row * width + col];
    const int sum = Weights::r * p.x + Weights::g * p.y + Weights::b * p.z;
    grey[row * grey_pitch + col] = (unsigned char)((sum + 128) >> 8);
  }
}
