#define H 6
#define W 6
#define C 3
#define KH 3
#define KW 3
#define OH (H - KH + 1)
#define OW (W - KW + 1)

extern "C" __global__ void __launch_bounds__(256) depthwiseconv(float* __restrict__ x, float* __restrict__ w, float* __restrict__ y) {
  int fused = (((int)blockIdx.x) * 256) + ((int)threadIdx.x);
  if (fused < ((OH * OW) * C)) {
    float y_local[1];
    y_local[0] = 0.000000e+00f;
    for (int kh = 0; kh < KH; ++kh) {
      for (int kw = 0; kw < KW; ++kw) {
        y_local[0] = (y_local[0] + (x[((((((fused / (OW * C)) + kh) * W) + ((fused % (OW * C)) / C)) + kw) * C) + (fused % C)] * w[((((kh * KW) + kw) * C) + (fused % C))]));
      }
    }
    y[fused] = y_local[0];
  }
}
