// Max pooling of NHWC activations: 3x3 window, stride 2, padding 1.
#include <cfloat>
#include <cstdio>
#include <vector>

#include <cuda_runtime.h>

#define CUDA_OK(call)                                                              \
    if (cudaError_t e = (call)) {                                                  \
        printf("CUDA error %d in line %d\n", (int)e, __LINE__);                    \
        return 1;                                                                  \
    }

__global__ void maxpool_nhwc(const float* __restrict__ x, float* __restrict__ y, int batch,
                             int height, int width, int channels, int out_height, int out_width) {
    const int KERNEL = 3, STRIDE = 2, PAD = 1;
    int idx = blockIdx.x * blockDim.x + threadIdx.x;
    int total = batch * out_height * out_width * channels;
    if (idx >= total) return;

    int c = idx % channels;
    int ow = (idx / channels) % out_width;
    int oh = (idx / channels / out_width) % out_height;
    int b = idx / (channels * out_width * out_height);

    float best = -FLT_MAX;
    for (int kh = 0; kh < KERNEL; ++kh) {
        for (int kw = 0; kw < KERNEL; ++kw) {
            int ih = oh * STRIDE - PAD + kh;
            int iw = ow * STRIDE - PAD + kw;
            if (ih >= 0 && ih < height && iw >= 0 && iw < width) {
                float v = x[((b * height + ih) * width + iw) * channels + c];
                best = v > best ? v : best;
            }
        }
    }
    y[idx] = best;
}

int main() {
    const int batch = 2, height = 40, width = 36, channels = 48;
    const int out_height = (height + 2 * 1 - 3) / 2 + 1;
    const int out_width = (width + 2 * 1 - 3) / 2 + 1;
    const int in_count = batch * height * width * channels;
    const int out_count = batch * out_height * out_width * channels;

    std::vector<float> x(in_count), y(out_count);
    for (int i = 0; i < in_count; ++i) x[i] = float((i * 7919) % 1009) - 504.0f;

    float *dx, *dy;
    CUDA_OK(cudaMalloc(&dx, in_count * sizeof(float)));
    CUDA_OK(cudaMalloc(&dy, out_count * sizeof(float)));
    CUDA_OK(cudaMemcpy(dx, &x[0], in_count * sizeof(float), cudaMemcpyHostToDevice));

    int threads = 128;
    int blocks = (out_count + threads - 1) / threads;
    maxpool_nhwc<<<blocks, threads>>>(dx, dy, batch, height, width, channels, out_height,
                                      out_width);
    CUDA_OK(cudaDeviceSynchronize());

    CUDA_OK(cudaMemcpy(&y[0], dy, out_count * sizeof(float), cudaMemcpyDeviceToHost));
    double sum = 0;
    for (int i = 0; i < out_count; ++i) sum += y[i];
    printf("maxpool: checksum %.1f\n", sum);
    cudaFree(dx);
    cudaFree(dy);
    return 0;
}
