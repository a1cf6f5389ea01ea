#include <hip/hip_runtime.h>

#define N 16
#define H 8
#define W 8
#define CI 64
#define CO 64
#define KH 2
#define KW 2
#define STRIDE 2
#define OH ((H - KH) / STRIDE + 1)
#define OW ((W - KW) / STRIDE + 1)
#define WAVE 64

// NHWC: a wave an output pixel. Lanes hold input channels, the window's products of each filter are
// added over the wave.
__global__ __launch_bounds__(256) void conv2d(const float* __restrict__ x, const float* __restrict__ w,
                                              float* __restrict__ y) {
  const int lane = threadIdx.x % WAVE;
  const int pixel = blockIdx.x * (256 / WAVE) + threadIdx.x / WAVE;
  if (pixel >= N * OH * OW) return;
  const int ow = pixel % OW, oh = pixel / OW % OH, n = pixel / (OW * OH);
  const float* window = x + ((n * H + oh * STRIDE) * W + ow * STRIDE) * CI;
  for (int co = 0; co < CO; ++co) {
    float sum = 0.0f;
    for (int kh = 0; kh < KH; ++kh)
      for (int kw = 0; kw < KW; ++kw)
        for (int ci = lane; ci < CI; ci += WAVE)
          sum += window[(kh * W + kw) * CI + ci] * w[((co * KH + kh) * KW + kw) * CI + ci];
    for (int offset = WAVE / 2; offset > 0; offset /= 2) sum += __shfl_down(sum, offset, WAVE);
    if (lane == 0) y[pixel * CO + co] = sum;
  }
}
