// RMS normalisation of half rows, arithmetic in float. Block a row; rows of half2 pairs.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

typedef __half half_t;

__global__ void rms_norm_kernel(half_t* __restrict__ out,           // [..., hidden_size]
                                const half_t* __restrict__ input,   // [..., hidden_size]
                                const half_t* __restrict__ weight,  // [hidden_size]
                                const float epsilon, const int num_tokens, const int hidden_size) {
  __shared__ float s_variance;
  __shared__ float s_warp[32];
  float variance = 0.0f;

  const int pairs = hidden_size / 2;
  const __half2* in2 = reinterpret_cast<const __half2*>(input + blockIdx.x * hidden_size);
  for (int idx = threadIdx.x; idx < pairs; idx += blockDim.x) {
    const float2 x = __half22float2(in2[idx]);
    variance += x.x * x.x + x.y * x.y;
  }

  for (int offset = 16; offset > 0; offset >>= 1) {
    variance += __shfl_xor_sync(0xffffffff, variance, offset, 32);
  }
  if (threadIdx.x % 32 == 0) s_warp[threadIdx.x / 32] = variance;
  __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0.0f;
    for (int w = 0; w < (blockDim.x + 31) / 32; ++w) total += s_warp[w];
    s_variance = rsqrtf(total / hidden_size + epsilon);
  }
  __syncthreads();

  for (int idx = threadIdx.x; idx < hidden_size; idx += blockDim.x) {
    const float x = __half2float(input[blockIdx.x * hidden_size + idx]);
    out[blockIdx.x * hidden_size + idx] =
        __float2half(x * s_variance) * weight[idx];
  }
}
