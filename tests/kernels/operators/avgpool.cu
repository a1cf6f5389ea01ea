// Average over a window, place by division and remainder, a grid-stride loop.
#include <cuda_runtime.h>

#define N 1
#define H 5
#define W 5
#define C 64
#define KH 5
#define KW 5
#define SH 1
#define SW 1
#define OH ((H - KH) / SH + 1)
#define OW ((W - KW) / SW + 1)
#define CUDA_KERNEL_LOOP(i, n) for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += blockDim.x * gridDim.x)

__global__ void avgpool(const float* const x, float* const y) {
  CUDA_KERNEL_LOOP(index, N * OH * OW * C) {
    const int c = index % C;
    const int pw = (index / C) % OW;
    const int ph = (index / C / OW) % OH;
    const int n = index / C / OW / OH;
    const int hstart = ph * SH;
    const int wstart = pw * SW;
    const int hend = min(hstart + KH, H);
    const int wend = min(wstart + KW, W);
    float aveval = 0;
    for (int h = hstart; h < hend; ++h) {
      for (int w = wstart; w < wend; ++w) {
        aveval += x[((n * H + h) * W + w) * C + c];
      }
    }
    y[index] = aveval / ((hend - hstart) * (wend - wstart));
  }
}
