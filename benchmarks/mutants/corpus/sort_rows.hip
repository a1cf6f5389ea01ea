#include <hip/hip_runtime.h>
#define COUNT 22

// Odd-even transposition; a block a row.
__global__ void sort_rows(const int* x, int* y) {
  __shared__ int keys[COUNT];
  int t = threadIdx.x;
  if (t < COUNT) keys[t] = x[blockIdx.x * COUNT + t];
  __syncthreads();
  for (int round = 0; round < COUNT; ++round) {
    int at = 2 * t + round % 2;
    if (at + 1 < COUNT) {
      int low = keys[at], high = keys[at + 1];
      if (low > high) {
        keys[at] = high;
        keys[at + 1] = low;
      }
    }
    __syncthreads();
  }
  if (t < COUNT) y[blockIdx.x * COUNT + t] = keys[t];
}
