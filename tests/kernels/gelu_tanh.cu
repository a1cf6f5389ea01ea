// GELU in its tanh form, as transformer code has it.
#include <cuda_runtime.h>
#include <math.h>

#define GELU_SCALING_FACTOR sqrtf(2.0f / M_PI)

__global__ void gelu_forward_kernel(float* out, const float* inp, int N) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < N) {
        float xi = inp[i];
        float cube = 0.044715f * xi * xi * xi;
        out[i] = 0.5f * xi * (1.0f + tanhf(GELU_SCALING_FACTOR * (xi + cube)));
    }
}

void gelu_forward(float* out, const float* inp, int N) {
    const int block_size = 128;
    const int grid_size = (N + block_size - 1) / block_size;
    gelu_forward_kernel<<<grid_size, block_size>>>(out, inp, N);
    cudaGetLastError();
}

int main() {
    int B = 3, T = 17, C = 96;
    float *d_out, *d_inp;
    float* inp = new float[B * T * C];
    float* out = new float[B * T * C];
    cudaMalloc(&d_out, B * T * C * sizeof(float));
    cudaMalloc(&d_inp, B * T * C * sizeof(float));
    cudaMemcpy(d_inp, inp, B * T * C * sizeof(float), cudaMemcpyHostToDevice);
    gelu_forward(d_out, d_inp, B * T * C);
    cudaMemcpy(out, d_out, B * T * C * sizeof(float), cudaMemcpyDeviceToHost);
    cudaFree(d_out);
    cudaFree(d_inp);
    delete[] inp;
    delete[] out;
}
