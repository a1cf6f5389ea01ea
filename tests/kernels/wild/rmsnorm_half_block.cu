// RMS normalisation of half rows, a block a row, arithmetic in float. The width is even: rows are
// read and written as half2.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

typedef __half f16;
typedef __half2 f16x2;

__global__ void rmsnorm_f16(const f16* __restrict__ x, const f16* __restrict__ gain,
                            f16* __restrict__ y, const int width, const float eps)
{
    __shared__ float warp_part[32];
    __shared__ float inv_rms;

    const int pairs = width >> 1;
    const f16x2* in = reinterpret_cast<const f16x2*>(x) + (size_t)blockIdx.x * pairs;
    const f16x2* g = reinterpret_cast<const f16x2*>(gain);
    f16x2* out = reinterpret_cast<f16x2*>(y) + (size_t)blockIdx.x * pairs;

    float squares = 0.0f;
    for (int p = threadIdx.x; p < pairs; p += blockDim.x) {
        const float2 v = __half22float2(in[p]);
        squares += v.x * v.x + v.y * v.y;
    }

    for (int d = 16; d != 0; d >>= 1)
        squares += __shfl_xor_sync(0xffffffff, squares, d, 32);
    if ((threadIdx.x & 31) == 0)
        warp_part[threadIdx.x >> 5] = squares;
    __syncthreads();

    if (threadIdx.x == 0) {
        float sum = 0.0f;
        for (int w = 0; w < blockDim.x / 32; ++w)
            sum += warp_part[w];
        inv_rms = rsqrtf(sum / width + eps);
    }
    __syncthreads();

    for (int p = threadIdx.x; p < pairs; p += blockDim.x) {
        const float2 v = __half22float2(in[p]);
        const float2 w = __half22float2(g[p]);
        out[p] = __floats2half2_rn(v.x * inv_rms * w.x, v.y * inv_rms * w.y);
    }
}
