#include <hip/hip_runtime.h>

#define ROWS 2048
#define D 2048
#define THREADS 512
#define WAVES (THREADS / 64)
#define ITEMS ((D + THREADS - 1) / THREADS)

// A row stays in the registers of eight waves; their sums meet in LDS.
__global__ __launch_bounds__(THREADS) void rmsnorm(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float sums[WAVES];
  const int wave = threadIdx.x >> 6;
  const int lane = __lane_id();
  const size_t base = (size_t)blockIdx.x * D;

  float v[ITEMS];
  float square = 0.0f;
#pragma unroll
  for (int i = 0; i < ITEMS; ++i) {
    const int d = i * THREADS + threadIdx.x;
    v[i] = d < D ? x[base + d] : 0.0f;
    square = fmaf(v[i], v[i], square);
  }
#pragma unroll
  for (int delta = 32; delta >= 1; delta >>= 1) square += __shfl_down(square, delta, 64);
  if (lane == 0) sums[wave] = square;
  __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0.0f;
    for (int i = 0; i < WAVES; ++i) total += sums[i];
    sums[0] = rsqrtf(total / (float)D + 1e-5f);
  }
  __syncthreads();
  const float scale = sums[0];
#pragma unroll
  for (int i = 0; i < ITEMS; ++i) {
    const int d = i * THREADS + threadIdx.x;
    if (d < D) y[base + d] = v[i] * scale;
  }
}
