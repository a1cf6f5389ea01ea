// Histogram of floats over [lo, hi): each block counts in shared memory and adds what it has at
// the end. Values outside the range and NaN are not counted.
#include <cuda_runtime.h>

__global__ void histogram_shared(const float* __restrict__ values, unsigned int* __restrict__ bins,
                                 const int count, const int num_bins, const float lo, const float hi) {
  extern __shared__ unsigned int s_bins[];

  for (int b = threadIdx.x; b < num_bins; b += blockDim.x) s_bins[b] = 0u;
  __syncthreads();

  const float scale = num_bins / (hi - lo);
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += blockDim.x * gridDim.x) {
    const float v = values[i];
    if (v >= lo && v < hi) {
      const int bin = min(static_cast<int>((v - lo) * scale), num_bins - 1);
      atomicAdd(&s_bins[bin], 1u);
    }
  }
  __syncthreads();

  for (int b = threadIdx.x; b < num_bins; b += blockDim.x) {
    const unsigned int n = s_bins[b];
    if (n) atomicAdd(bins + b, n);
  }
}
