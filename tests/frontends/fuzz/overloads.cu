// The file's `max` of halves is not the one that takes floats.
// run: {"params": [["f", "float32", 32, "in"], ["of", "float32", 32, "inout"]], "grid": [1], "block": [32]}
#include <cuda_fp16.h>
__device__ half max(half a, half b) { return __hgt(a, b) ? a : b; }
__global__ void k(const float* f, float* of) {
  int t = threadIdx.x;
  of[t] = max(f[t] + 0.00390625f, 0.0f) + (float)max((half)f[t], (half)1.0f);
}
