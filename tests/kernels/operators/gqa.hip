#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

#define B 1
#define H 2
#define SQ 16
#define D 16
#define SK 512
#define G (H / 2)

// A wave a row of Q. Each lane takes every 64th key with a softmax of its own, and the lanes' maxima,
// sums and values are joined by shuffles.
__global__ __launch_bounds__(64) void gqa(const __half* __restrict__ Q, const __half* __restrict__ K,
                                          const __half* __restrict__ V, float* __restrict__ O) {
  const int row = blockIdx.x, h = blockIdx.y, b = blockIdx.z;
  const int lane = threadIdx.x;
  const __half* q = Q + ((b * H + h) * SQ + row) * D;
  const __half* k = K + (b * G + h / 2) * SK * D;
  const __half* v = V + (b * G + h / 2) * SK * D;

  float m = -INFINITY, l = 0.0f;
  float acc[D] = {0.0f};
  for (int j = lane; j < SK; j += 64) {
    float s = 0.0f;
#pragma unroll
    for (int d = 0; d < D; ++d) s += __half2float(q[d]) * __half2float(k[j * D + d]);
    s *= rsqrtf((float)D);
    const float next = fmaxf(m, s);
    const float keep = expf(m - next), p = expf(s - next);
    l = l * keep + p;
#pragma unroll
    for (int d = 0; d < D; ++d) acc[d] = acc[d] * keep + p * __half2float(v[j * D + d]);
    m = next;
  }

  float top = m;
  for (int offset = 32; offset > 0; offset >>= 1) top = fmaxf(top, __shfl_xor(top, offset));
  const float mine = expf(m - top);
  l *= mine;
  for (int offset = 32; offset > 0; offset >>= 1) l += __shfl_xor(l, offset);
#pragma unroll
  for (int d = 0; d < D; ++d) {
    float sum = acc[d] * mine;
    for (int offset = 32; offset > 0; offset >>= 1) sum += __shfl_down(sum, offset);
    if (lane == 0) O[((b * H + h) * SQ + row) * D + d] = sum / l;
  }
}
