// Radix-2 FFT of N points (a power of two), one signal a block, N / 2 threads. Bit reversal on the
// way in, butterflies in shared memory.
#include <cuda_runtime.h>

#define PI_F 3.14159265358979f

template <int N>
struct Log2 { static const int value = 1 + Log2<N / 2>::value; };
template <>
struct Log2<1> { static const int value = 0; };

template <int N>
__global__ void fft_forward(const float2 *in, float2 *out)
{
    __shared__ float re[N], im[N];
    in += blockIdx.x * N;
    out += blockIdx.x * N;

    for (unsigned i = threadIdx.x; i < N; i += N / 2) {
        const unsigned r = __brev(i) >> (32 - Log2<N>::value);
        re[r] = in[i].x;
        im[r] = in[i].y;
    }

    for (int half = 1; half < N; half *= 2) {
        __syncthreads();
        const int k = threadIdx.x % half;
        const int a = threadIdx.x / half * 2 * half + k;
        const int b = a + half;
        float s, c;
        sincosf(-PI_F * k / half, &s, &c);
        const float tr = re[b] * c - im[b] * s;
        const float ti = re[b] * s + im[b] * c;
        re[b] = re[a] - tr;
        im[b] = im[a] - ti;
        re[a] += tr;
        im[a] += ti;
    }
    __syncthreads();

    for (int i = threadIdx.x; i < N; i += N / 2) out[i] = make_float2(re[i], im[i]);
}
