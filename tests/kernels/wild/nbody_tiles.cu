// All-pairs gravity: bodies as float4 (position, mass), tiles of bodies in shared memory.
#include <cuda_runtime.h>

extern "C" __global__ void accelerations(const float4* __restrict__ bodies, float4* __restrict__ acc,
                                         int n, float softening2)
{
    extern __shared__ float4 tile[];

    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const float4 me = i < n ? bodies[i] : make_float4(0.f, 0.f, 0.f, 0.f);
    float3 a = {0.0f, 0.0f, 0.0f};

    for (int start = 0; start < n; start += blockDim.x) {
        const int j = start + threadIdx.x;
        // a body without mass pulls at nobody
        tile[threadIdx.x] = j < n ? bodies[j] : make_float4(0.f, 0.f, 0.f, 0.f);
        __syncthreads();

#pragma unroll 8
        for (int k = 0; k < blockDim.x; ++k) {
            const float4 b = tile[k];
            const float3 r = make_float3(b.x - me.x, b.y - me.y, b.z - me.z);
            const float d2 = r.x * r.x + r.y * r.y + r.z * r.z + softening2;
            const float inv = rsqrtf(d2);
            const float s = b.w * inv * inv * inv;
            a.x += r.x * s;
            a.y += r.y * s;
            a.z += r.z * s;
        }
        __syncthreads();
    }
    if (i < n) acc[i] = make_float4(a.x, a.y, a.z, 0.0f);
}
