// Multi-scale deformable attention: an element of the output a thread.
#include <cuda_runtime.h>

#define N 1
#define M 8
#define D 256
#define LQ 100
#define L 4
#define P 4

__device__ float at(const float* level, int height, int width, int row, int col, int channel) {
  if (row < 0 || row >= height || col < 0 || col >= width) return 0.0f;
  return level[(row * width + col) * (M * D) + channel];
}

__device__ float bilinear(const float* level, int height, int width, float h, float w, int channel) {
  const int h_low = (int)floorf(h), w_low = (int)floorf(w);
  const float lh = h - h_low, lw = w - w_low;
  const float hh = 1 - lh, hw = 1 - lw;
  return hh * hw * at(level, height, width, h_low, w_low, channel) +
         hh * lw * at(level, height, width, h_low, w_low + 1, channel) +
         lh * hw * at(level, height, width, h_low + 1, w_low, channel) +
         lh * lw * at(level, height, width, h_low + 1, w_low + 1, channel);
}

__global__ void deformable(const float* value, const int* shapes, const float* locations, const float* weights,
                           float* output, int pixels) {
  const int index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= N * LQ * M * D) return;
  const int channel = index % (M * D);
  const int head = channel / D;
  const int query = index / (M * D) % LQ;
  const int n = index / (M * D) / LQ;
  const int sample = ((n * LQ + query) * M + head) * L * P;

  const float* level = value + n * pixels * (M * D);
  float sum = 0.0f;
  for (int l = 0; l < L; ++l) {
    const int height = shapes[2 * l], width = shapes[2 * l + 1];
    for (int p = 0; p < P; ++p) {
      const int at_sample = sample + l * P + p;
      const float w = locations[2 * at_sample] * width - 0.5f;
      const float h = locations[2 * at_sample + 1] * height - 0.5f;
      if (h > -1 && w > -1 && h < height && w < width)
        sum += weights[at_sample] * bilinear(level, height, width, h, w, channel);
    }
    level += height * width * (M * D);
  }
  output[index] = sum;
}
