// Backward of layer normalisation. A block a row computes dx; the gradients of gain and shift are
// gathered over rows with atomics, so they depend on the order by rounding.
#include <cuda_runtime.h>

#define NT 64

struct Sums {
    float g, gx;
};

__device__ Sums reduce_sums(Sums s)
{
    __shared__ Sums part[NT];
    part[threadIdx.x] = s;
    __syncthreads();
    for (int off = NT / 2; off > 0; off >>= 1) {
        if (threadIdx.x < off) {
            part[threadIdx.x].g += part[threadIdx.x + off].g;
            part[threadIdx.x].gx += part[threadIdx.x + off].gx;
        }
        __syncthreads();
    }
    return part[0];
}

__global__ void __launch_bounds__(NT)
layernorm_bwd(const float *dy, const float *x, const float *gain, const float *mean,
              const float *rstd, float *dx, float *dgain, float *dshift, int width)
{
    const int row = blockIdx.x;
    const float mu = mean[row], r = rstd[row];
    const float *xr = x + row * width, *dyr = dy + row * width;

    Sums s;
    s.g = s.gx = 0.f;
    for (int i = threadIdx.x; i < width; i += NT) {
        const float xhat = (xr[i] - mu) * r;
        const float g = dyr[i] * gain[i];
        s.g += g;
        s.gx += g * xhat;
        atomicAdd(dshift + i, dyr[i]);
        atomicAdd(dgain + i, dyr[i] * xhat);
    }
    s = reduce_sums(s);

    const float mg = s.g / width, mgx = s.gx / width;
    for (int i = threadIdx.x; i < width; i += NT) {
        const float xhat = (xr[i] - mu) * r;
        dx[row * width + i] = r * (dyr[i] * gain[i] - mg - xhat * mgx);
    }
}
