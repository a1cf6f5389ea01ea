#include <hip/hip_runtime.h>

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

// Rows first: the minimum of each column of the window's rows, then of the columns.
__global__ void minpool(const float* x, float* y) {
  const int i = hipBlockIdx_x * hipBlockDim_x + hipThreadIdx_x;
  if (i >= N * OH * OW * C) return;
  const int c = i % C;
  const int ow = i / C % OW;
  const int oh = i / C / OW % OH;
  const int n = i / C / OW / OH;
  float column[KW];
#pragma unroll
  for (int kw = 0; kw < KW; ++kw) {
    column[kw] = x[((n * H + oh * SH) * W + ow * SW + kw) * C + c];
    for (int kh = 1; kh < KH; ++kh)
      column[kw] = fminf(column[kw], x[((n * H + oh * SH + kh) * W + ow * SW + kw) * C + c]);
  }
  float least = column[0];
#pragma unroll
  for (int kw = 1; kw < KW; ++kw) least = fminf(least, column[kw]);
  y[i] = least;
}
