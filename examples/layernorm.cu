// Layer normalisation with scale and shift, one block a row, dynamic shared memory.
// A library file: no main, the sizes are constants of the model.
#include <cuda_runtime.h>

namespace model {
constexpr int kTokens = 512;
constexpr int kHidden = 768;
constexpr float kEpsilon = 1e-5f;
}  // namespace model

__device__ float block_sum(float value, float* shared) {
    const unsigned int lane = threadIdx.x;
    shared[lane] = value;
    __syncthreads();
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {
        if (lane < half) shared[lane] += shared[lane + half];
        __syncthreads();
    }
    const float total = shared[0];
    __syncthreads();
    return total;
}

__global__ void layernorm_kernel(const float* __restrict__ x, const float* __restrict__ gamma,
                                 const float* __restrict__ beta, float* __restrict__ y,
                                 int hidden, float epsilon) {
    extern __shared__ float shared[];
    const float* input = x + static_cast<size_t>(blockIdx.x) * hidden;
    float* output = y + static_cast<size_t>(blockIdx.x) * hidden;

    float partial = 0.0f;
    for (int i = threadIdx.x; i < hidden; i += blockDim.x) partial += input[i];
    const float mean = block_sum(partial, shared) / hidden;

    partial = 0.0f;
    for (int i = threadIdx.x; i < hidden; i += blockDim.x) {
        const float centred = input[i] - mean;
        partial += centred * centred;
    }
    const float scale = rsqrtf(block_sum(partial, shared) / hidden + epsilon);

    for (int i = threadIdx.x; i < hidden; i += blockDim.x) {
        output[i] = (input[i] - mean) * scale * gamma[i] + beta[i];
    }
}

extern "C" cudaError_t layernorm(const float* x, const float* gamma, const float* beta, float* y) {
    using namespace model;
    const size_t matrix_bytes = sizeof(float) * kTokens * kHidden;
    const size_t vector_bytes = sizeof(float) * kHidden;
    float *d_x = nullptr, *d_gamma = nullptr, *d_beta = nullptr, *d_y = nullptr;

    cudaError_t error = cudaMalloc(&d_x, matrix_bytes);
    if (error != cudaSuccess) return error;
    error = cudaMalloc(&d_gamma, vector_bytes);
    if (error != cudaSuccess) return error;
    error = cudaMalloc(&d_beta, vector_bytes);
    if (error != cudaSuccess) return error;
    error = cudaMalloc(&d_y, matrix_bytes);
    if (error != cudaSuccess) return error;

    cudaMemcpy(d_x, x, matrix_bytes, cudaMemcpyHostToDevice);
    cudaMemcpy(d_gamma, gamma, vector_bytes, cudaMemcpyHostToDevice);
    cudaMemcpy(d_beta, beta, vector_bytes, cudaMemcpyHostToDevice);

    const int threads = 128;
    layernorm_kernel<<<kTokens, threads, threads * sizeof(float)>>>(d_x, d_gamma, d_beta, d_y,
                                                                    kHidden, kEpsilon);
    error = cudaGetLastError();
    if (error == cudaSuccess) {
        error = cudaMemcpy(y, d_y, matrix_bytes, cudaMemcpyDeviceToHost);
    }

    cudaFree(d_x);
    cudaFree(d_gamma);
    cudaFree(d_beta);
    cudaFree(d_y);
    return error;
}
