// RMS normalisation, one warp a row, shuffles down and a broadcast from lane 0.
#include <cuda_runtime.h>

__inline__ __device__ float warp_reduce_sum(float val) {
#pragma unroll
    for (int offset = warpSize / 2; offset > 0; offset /= 2)
        val += __shfl_down_sync(0xffffffffu, val, offset);
    return val;
}

__global__ void rmsnorm(float* __restrict__ o, const float* __restrict__ x,
                        const float* __restrict__ weight, int size, float eps) {
    const float* xr = x + blockIdx.x * size;
    float* orow = o + blockIdx.x * size;
    float ss = 0.0f;
    for (int j = threadIdx.x; j < size; j += 32) ss += xr[j] * xr[j];
    ss = warp_reduce_sum(ss);
    ss = __shfl_sync(0xffffffffu, ss, 0);
    ss /= size;
    ss += eps;
    ss = rsqrtf(ss);
    for (int j = threadIdx.x; j < size; j += 32) orow[j] = weight[j] * (ss * xr[j]);
}

int main() {
    const int rows = 37, size = 160;
    float *o, *x, *w;
    float* h = new float[rows * size];
    cudaMalloc((void**)&o, rows * size * sizeof(float));
    cudaMalloc((void**)&x, rows * size * sizeof(float));
    cudaMalloc((void**)&w, size * sizeof(float));
    cudaMemcpy(x, h, rows * size * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(w, h, size * sizeof(float), cudaMemcpyHostToDevice);
    rmsnorm<<<rows, 32>>>(o, x, w, size, 1e-6f);
    cudaMemcpy(h, o, rows * size * sizeof(float), cudaMemcpyDeviceToHost);
}
