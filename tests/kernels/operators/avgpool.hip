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

extern "C" __global__ void __launch_bounds__(256) avgpool(float* __restrict__ x, float* __restrict__ y) {
  float pool_sum[1];
  if (((((int)blockIdx.x) * 256) + ((int)threadIdx.x)) < (((N * OH) * OW) * C)) {
    pool_sum[0] = 0.000000e+00f;
    for (int rv0_rv1_fused = 0; rv0_rv1_fused < (KH * KW); ++rv0_rv1_fused) {
      pool_sum[0] = (pool_sum[0] + x[(((((((((((int)blockIdx.x) * 256) + ((int)threadIdx.x)) / ((OH * OW) * C)) * H) + ((((((((int)blockIdx.x) * 256) + ((int)threadIdx.x)) % ((OH * OW) * C)) / (OW * C)) * SH) + (rv0_rv1_fused / KW))) * W) + ((((((((int)blockIdx.x) * 256) + ((int)threadIdx.x)) % (OW * C)) / C) * SW) + (rv0_rv1_fused % KW))) * C) + (((((int)blockIdx.x) * 256) + ((int)threadIdx.x)) % C))]);
    }
    y[((((int)blockIdx.x) * 256) + ((int)threadIdx.x))] = (pool_sum[0] * (1.000000e+00f / ((float)(KH * KW))));
  }
}
