// The gate of a transformer's feed-forward: silu(gate) * up, both halves of one row.
#include <cuda_runtime.h>

__device__ __forceinline__ float silu(const float& x) { return x / (1.0f + __expf(-x)); }

__global__ void silu_and_mul(float* __restrict__ out, const float* __restrict__ input, const int d) {
    const int token_idx = blockIdx.x;
    for (int idx = threadIdx.x; idx < d; idx += blockDim.x) {
        const float x = __ldg(&input[token_idx * 2 * d + idx]);
        const float y = __ldg(&input[token_idx * 2 * d + d + idx]);
        out[token_idx * d + idx] = silu(x) * y;
    }
}

void launch(const float* input, float* out, int num_tokens, int d) {
    float *d_in, *d_out;
    cudaMalloc(&d_in, sizeof(float) * num_tokens * 2 * d);
    cudaMalloc(&d_out, sizeof(float) * num_tokens * d);
    cudaMemcpy(d_in, input, sizeof(float) * num_tokens * 2 * d, cudaMemcpyHostToDevice);
    dim3 grid(num_tokens);
    dim3 block(d < 1024 ? d : 1024);
    silu_and_mul<<<grid, block>>>(d_out, d_in, d);
    cudaMemcpy(out, d_out, sizeof(float) * num_tokens * d, cudaMemcpyDeviceToHost);
    cudaFree(d_in);
    cudaFree(d_out);
}

int main() {
    const int tokens = 33, d = 250;
    float* a = new float[tokens * 2 * d];
    float* b = new float[tokens * d];
    launch(a, b, tokens, d);
    return 0;
}
