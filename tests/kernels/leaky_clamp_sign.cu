// Ternaries: leaky relu, clamp to a range, sign; three outputs of one input.
#include <cuda_runtime.h>

template <typename T>
__device__ T sign(T x) {
    return (x > T(0)) ? T(1) : ((x < T(0)) ? T(-1) : T(0));
}

__global__ void shapes(const float* x, float* leaky, float* clamped, float* signs, float slope,
                       float lo, float hi, int n) {
    const int i = threadIdx.x + blockIdx.x * blockDim.x;
    if (i >= n) return;
    const float v = x[i];
    leaky[i] = v >= 0.f ? v : slope * v;
    clamped[i] = fminf(fmaxf(v, lo), hi);
    signs[i] = sign<float>(v);
}

extern "C" void run(const float* x, float* leaky, float* clamped, float* signs) {
    enum { N = 3001 };
    float* d[4];
    for (int k = 0; k < 4; ++k) cudaMalloc(&d[k], N * sizeof(float));
    cudaMemcpy(d[0], x, N * sizeof(float), cudaMemcpyHostToDevice);
    shapes<<<(N - 1) / 192 + 1, 192>>>(d[0], d[1], d[2], d[3], 0.1f, -0.25f, 0.5f, N);
    cudaMemcpy(leaky, d[1], N * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(clamped, d[2], N * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(signs, d[3], N * sizeof(float), cudaMemcpyDeviceToHost);
    for (int k = 0; k < 4; ++k) cudaFree(d[k]);
}
