// One step of an n-body simulation: float4 bodies in shared-memory tiles, softened gravity.
#include <cuda_runtime.h>

#define P 64

__device__ float3 interaction(float4 bi, float4 bj, float3 ai) {
    float3 r;
    r.x = bj.x - bi.x;
    r.y = bj.y - bi.y;
    r.z = bj.z - bi.z;
    float d = r.x * r.x + r.y * r.y + r.z * r.z + 0.01f;
    float inv = rsqrtf(d * d * d);
    float s = bj.w * inv;
    ai.x += r.x * s;
    ai.y += r.y * s;
    ai.z += r.z * s;
    return ai;
}

__global__ void forces(const float4* bodies, float4* acc, int n) {
    __shared__ float4 tile[P];
    int i = blockIdx.x * P + threadIdx.x;
    float4 me = bodies[i];
    float3 a = make_float3(0.f, 0.f, 0.f);
    for (int t = 0; t < n / P; ++t) {
        tile[threadIdx.x] = bodies[t * P + threadIdx.x];
        __syncthreads();
#pragma unroll 8
        for (int j = 0; j < P; ++j) a = interaction(me, tile[j], a);
        __syncthreads();
    }
    acc[i] = make_float4(a.x, a.y, a.z, 0.f);
}

int main() {
    const int n = 192;
    float4 *b, *a, *h = new float4[n];
    cudaMalloc(&b, n * sizeof(float4));
    cudaMalloc(&a, n * sizeof(float4));
    cudaMemcpy(b, h, n * sizeof(float4), cudaMemcpyHostToDevice);
    forces<<<n / P, P>>>(b, a, n);
    cudaMemcpy(h, a, n * sizeof(float4), cudaMemcpyDeviceToHost);
    return 0;
}
