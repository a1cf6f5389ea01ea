// Pointwise product of spectra: out = conj(a) * b / n, complex numbers as float2.
#include <cuda_runtime.h>

typedef float2 Complex;

static __host__ __device__ inline Complex scaled(Complex a, float s)
{
    Complex c;
    c.x = s * a.x;
    c.y = s * a.y;
    return c;
}

static __device__ inline Complex conj_mul(Complex a, Complex b)
{
    return make_float2(a.x * b.x + a.y * b.y, a.x * b.y - a.y * b.x);
}

__global__ void correlate_spectra(const Complex *a, const Complex *b, Complex *out, int size, float scale)
{
    const int threads = blockDim.x * gridDim.x;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += threads)
        out[i] = scaled(conj_mul(a[i], b[i]), scale);
}
