// Depthwise 3x3 convolution, NCHW, blockIdx.z = image * channel, two nested unrolled loops.
#include <cuda_runtime.h>

template <int K>
__global__ void depthwise(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y,
                          int channels, int h, int width) {
    const int plane = blockIdx.z;
    const int c = plane % channels;
    const int ox = blockIdx.x * blockDim.x + threadIdx.x;
    const int oy = blockIdx.y * blockDim.y + threadIdx.y;
    if (ox >= width || oy >= h) return;
    x += (size_t)plane * h * width;
    y += (size_t)plane * h * width;
    float acc = 0.f;
#pragma unroll
    for (int i = 0; i < K; ++i) {
#pragma unroll
        for (int j = 0; j < K; ++j) {
            const int iy = oy + i - K / 2, ix = ox + j - K / 2;
            const bool inside = iy >= 0 && iy < h && ix >= 0 && ix < width;
            acc += inside ? x[iy * width + ix] * w[(c * K + i) * K + j] : 0.f;
        }
    }
    y[oy * width + ox] = acc;
}

int main() {
    const int n = 2, c = 4, h = 19, w = 23;
    float *x, *f, *y, *host = new float[n * c * h * w];
    cudaMalloc(&x, n * c * h * w * sizeof(float));
    cudaMalloc(&f, c * 9 * sizeof(float));
    cudaMalloc(&y, n * c * h * w * sizeof(float));
    cudaMemcpy(x, host, n * c * h * w * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(f, host, c * 9 * sizeof(float), cudaMemcpyHostToDevice);
    dim3 block(8, 8, 1), grid((w + 7) / 8, (h + 7) / 8, n * c);
    depthwise<3><<<grid, block>>>(x, f, y, c, h, w);
    cudaMemcpy(host, y, n * c * h * w * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
