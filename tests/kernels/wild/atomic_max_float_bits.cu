// Largest value per segment. There is no atomicMax for floats: non-negative ones order like their
// bits as integers, negative ones the other way round as unsigned integers.
#include <cuda_runtime.h>

__device__ __forceinline__ void atomicMaxFloat(float *addr, float value)
{
    if (value >= 0)
        atomicMax((int *)addr, __float_as_int(value));
    else
        atomicMin((unsigned int *)addr, __float_as_uint(value));
}

__global__ void segment_max(const float *values, const int *segments, float *out, int n, int num_segments)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) {
        const int s = segments[i];
        if (s >= 0 && s < num_segments) atomicMaxFloat(&out[s], values[i]);
    }
}
