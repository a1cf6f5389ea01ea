// Two stages: lanes of a warp by shuffles, warps through shared memory.
__global__ void dot(const float* a, const float* b, float* y, int n) {
  __shared__ float warps[4];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  float sum = 0.0f;
  for (int i = threadIdx.x; i < n; i += 128) {
    sum += a[blockIdx.x * n + i] * b[blockIdx.x * n + i];
  }
  for (int delta = 16; delta > 0; delta /= 2) {
    sum += __shfl_down_sync(0xffffffffu, sum, delta);
  }
  if (lane == 0) warps[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    sum = lane < 4 ? warps[lane] : 0.0f;
    for (int delta = 2; delta > 0; delta /= 2) {
      sum += __shfl_down_sync(0xffffffffu, sum, delta);
    }
    if (lane == 0) y[blockIdx.x] = sum;
  }
}
