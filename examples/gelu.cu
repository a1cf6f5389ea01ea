// GELU with the exact error function, one thread an element.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <cuda_runtime.h>

#define CUDA_CHECK(call)                                                          \
    do {                                                                          \
        cudaError_t status = (call);                                              \
        if (status != cudaSuccess) {                                              \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,                    \
                    cudaGetErrorString(status));                                  \
            exit(EXIT_FAILURE);                                                   \
        }                                                                         \
    } while (0)

constexpr float kInverseSqrt2 = 0.70710678f;

__device__ __forceinline__ float gelu(float x) {
    return 0.5f * x * (1.0f + erff(x * kInverseSqrt2));
}

__global__ void gelu_kernel(const float* __restrict__ input, float* __restrict__ output,
                            size_t count) {
    const size_t index = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (index >= count) return;
    output[index] = gelu(input[index]);
}

void gelu_forward(const float* input, float* output, size_t count) {
    constexpr int block = 256;
    const int grid = static_cast<int>((count + block - 1) / block);

    float* device_input = nullptr;
    float* device_output = nullptr;
    CUDA_CHECK(cudaMalloc(&device_input, count * sizeof(float)));
    CUDA_CHECK(cudaMalloc(&device_output, count * sizeof(float)));
    CUDA_CHECK(cudaMemcpy(device_input, input, count * sizeof(float), cudaMemcpyHostToDevice));

    gelu_kernel<<<grid, block>>>(device_input, device_output, count);
    CUDA_CHECK(cudaGetLastError());

    CUDA_CHECK(cudaMemcpy(output, device_output, count * sizeof(float), cudaMemcpyDeviceToHost));
    CUDA_CHECK(cudaFree(device_input));
    CUDA_CHECK(cudaFree(device_output));
}

int main() {
    const size_t count = 128 * 1000;
    std::vector<float> input(count), output(count);
    for (size_t i = 0; i < count; ++i) {
        input[i] = 8.0f * static_cast<float>(i) / static_cast<float>(count) - 4.0f;
    }

    gelu_forward(input.data(), output.data(), count);

    double worst = 0.0;
    for (size_t i = 0; i < count; ++i) {
        const double x = input[i];
        const double expected = 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
        worst = std::fmax(worst, std::fabs(expected - output[i]));
    }
    printf("gelu: largest error %g\n", worst);
    return worst < 1e-5 ? 0 : 1;
}
