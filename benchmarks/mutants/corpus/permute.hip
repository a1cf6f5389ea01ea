#include <hip/hip_runtime.h>

// x[a][b][c] to y[c][a][b].
__global__ void permute(const int* x, int* y, int a, int b, int c) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < a * b * c) {
    int ic = i % c;
    int ib = i / c % b;
    int ia = i / (b * c);
    y[(ic * a + ia) * b + ib] = x[i];
  }
}
