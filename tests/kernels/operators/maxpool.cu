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

extern "C" __global__ void __launch_bounds__(1024) maxpool(float* __restrict__ x, float* __restrict__ y) {
  float y_rf[1];
  if (((((int)blockIdx.x) * 1024) + ((int)threadIdx.x)) < (((N * OH) * OW) * C)) {
    int v = ((((int)blockIdx.x) * 1024) + ((int)threadIdx.x));
    y_rf[0] = -3.402823e+38f;
    for (int rv0 = 0; rv0 < KH; ++rv0) {
      for (int rv1 = 0; rv1 < KW; ++rv1) {
        y_rf[0] = max(y_rf[0], x[((((((v / ((OH * OW) * C)) * (H * W)) + (((((v % ((OH * OW) * C)) / (OW * C)) * SH) + rv0) * W)) + ((((v % (OW * C)) / C) * SW) + rv1)) * C) + (v % C))]);
      }
    }
    y[v] = y_rf[0];
  }
}
