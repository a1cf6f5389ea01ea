// Squared distances of all pairs of two point sets: three arrays are carved out of one dynamic
// allocation, (dims + 1) * (tile + tile) floats.
#include <cuda_runtime.h>

__global__ void pairwise_sqdist(const float* __restrict__ A, const float* __restrict__ B,
                                float* __restrict__ D, int na, int nb, int dims)
{
    extern __shared__ float smem[];
    const int tile = blockDim.x;
    float* sa = smem;                 // tile * dims
    float* sb = sa + tile * dims;     // tile * dims
    float* norm_a = sb + tile * dims; // tile
    float* norm_b = norm_a + tile;    // tile

    const int a0 = blockIdx.y * tile;
    const int b0 = blockIdx.x * tile;
    const int t = threadIdx.x;

    float na2 = 0.f, nb2 = 0.f;
    for (int d = 0; d < dims; ++d) {
        const float va = a0 + t < na ? A[(a0 + t) * dims + d] : 0.f;
        const float vb = b0 + t < nb ? B[(b0 + t) * dims + d] : 0.f;
        sa[t * dims + d] = va;
        sb[t * dims + d] = vb;
        na2 += va * va;
        nb2 += vb * vb;
    }
    norm_a[t] = na2;
    norm_b[t] = nb2;
    __syncthreads();

    if (b0 + t >= nb) return;
    for (int i = 0; i < tile && a0 + i < na; ++i) {
        float dot = 0.f;
        for (int d = 0; d < dims; ++d) dot += sa[i * dims + d] * sb[t * dims + d];
        D[(a0 + i) * nb + b0 + t] = fmaxf(norm_a[i] + norm_b[t] - 2.f * dot, 0.f);
    }
}
