#define N 60

extern "C" __global__ void __launch_bounds__(128) sigmoid(float* __restrict__ x, float* __restrict__ y) {
  for (int i0_i1_fused_0 = 0; i0_i1_fused_0 < (N + 1023) / 1024; ++i0_i1_fused_0) {
    int v0 = ((i0_i1_fused_0 * 1024) + (((int)blockIdx.x) * 128)) + ((int)threadIdx.x);
    if (v0 < N) {
      y[v0] = (1.000000e+00f / (1.000000e+00f + __expf((0.000000e+00f - x[v0]))));
    }
  }
}
