// Sequential addressing: active threads stay together, shared accesses are free of conflicts.
// Minimum and maximum in one sweep.
#include <cfloat>
#include <cuda_runtime.h>

#define THREADS 256

__global__ void __launch_bounds__(THREADS)
minmax_partials(const float* __restrict__ in, float* __restrict__ lo, float* __restrict__ hi, int n)
{
    __shared__ float smin[THREADS];
    __shared__ float smax[THREADS];

    const int tid = threadIdx.x;
    const int gid = blockIdx.x * THREADS + tid;

    smin[tid] = gid < n ? in[gid] : FLT_MAX;
    smax[tid] = gid < n ? in[gid] : -FLT_MAX;
    __syncthreads();

    for (int s = THREADS / 2; s > 0; s >>= 1) {
        if (tid < s) {
            smin[tid] = fminf(smin[tid], smin[tid + s]);
            smax[tid] = fmaxf(smax[tid], smax[tid + s]);
        }
        __syncthreads();
    }

    if (tid == 0) {
        lo[blockIdx.x] = smin[0];
        hi[blockIdx.x] = smax[0];
    }
}
