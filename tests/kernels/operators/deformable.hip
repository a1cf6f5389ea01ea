#include <hip/hip_runtime.h>

#define N 1
#define M 8
#define D 256
#define LQ 100
#define L 4
#define P 4

// A block a query and head: the corners' places and weights of all samples are computed once into
// LDS, then channels are summed over them.
__global__ void deformable(const float* __restrict__ value, const int* __restrict__ shapes,
                           const float* __restrict__ locations, const float* __restrict__ weights,
                           float* __restrict__ output, int pixels) {
  __shared__ int place[L * P * 4];
  __shared__ float part[L * P * 4];
  const int head = blockIdx.x, query = blockIdx.y, n = blockIdx.z;
  const int first = ((n * LQ + query) * M + head) * L * P;

  if (threadIdx.x < L * P * 4) {
    const int sample = threadIdx.x / 4, corner = threadIdx.x % 4;
    const int level = sample / P;
    int start = 0;
    for (int l = 0; l < level; ++l) start += shapes[2 * l] * shapes[2 * l + 1];
    const int height = shapes[2 * level], width = shapes[2 * level + 1];
    const float x = locations[2 * (first + sample)] * width - 0.5f;
    const float y = locations[2 * (first + sample) + 1] * height - 0.5f;
    const int j = (int)floorf(x) + corner % 2, i = (int)floorf(y) + corner / 2;
    const bool inside = i >= 0 && i < height && j >= 0 && j < width;
    place[threadIdx.x] = inside ? start + i * width + j : 0;
    part[threadIdx.x] = inside ? (1.0f - fabsf(y - i)) * (1.0f - fabsf(x - j)) * weights[first + sample] : 0.0f;
  }
  __syncthreads();

  for (int d = threadIdx.x; d < D; d += blockDim.x) {
    float sum = 0.0f;
    for (int s = 0; s < L * P * 4; ++s) sum += part[s] * value[((n * pixels + place[s]) * M + head) * D + d];
    output[((n * LQ + query) * M + head) * D + d] = sum;
  }
}
