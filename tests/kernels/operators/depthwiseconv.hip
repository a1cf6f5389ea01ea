#include <hip/hip_runtime.h>

#define H 6
#define W 6
#define C 3
#define KH 3
#define KW 3
#define OH (H - KH + 1)
#define OW (W - KW + 1)

// Channels and columns in the block, rows in the grid; the filter of a channel stays in registers
// while the work item walks along its row.
__global__ void depthwiseconv(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y) {
  const int c = hipBlockIdx_x * hipBlockDim_x + hipThreadIdx_x;
  const int oh = hipBlockIdx_y;
  if (c >= C) return;
  float filter[KH][KW];
  for (int i = 0; i < KH; ++i)
    for (int j = 0; j < KW; ++j) filter[i][j] = w[(i * KW + j) * C + c];
  for (int ow = hipThreadIdx_y; ow < OW; ow += hipBlockDim_y) {
    float sum = 0.0f;
    for (int i = 0; i < KH; ++i)
      for (int j = 0; j < KW; ++j) sum += x[((oh + i) * W + ow + j) * C + c] * filter[i][j];
    y[(oh * OW + ow) * C + c] = sum;
  }
}
