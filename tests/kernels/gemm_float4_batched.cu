// Batched product with float4 loads of B, each thread four columns; the batch is blockIdx.z.
#include <cuda_runtime.h>

__global__ void bmm4(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C,
                     int M, int N, int K) {
    const int batch = blockIdx.z;
    const int row = blockIdx.y * blockDim.y + threadIdx.y;
    const int col4 = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= M || col4 * 4 >= N) return;
    const float* a = A + (batch * M + row) * K;
    const float4* b = reinterpret_cast<const float4*>(B + batch * K * N) + col4;
    float4 acc = make_float4(0.f, 0.f, 0.f, 0.f);
    for (int k = 0; k < K; ++k) {
        const float4 v = b[k * (N / 4)];
        const float s = a[k];
        acc.x += s * v.x;
        acc.y += s * v.y;
        acc.z += s * v.z;
        acc.w += s * v.w;
    }
    reinterpret_cast<float4*>(C + (batch * M + row) * N)[col4] = acc;
}

int main() {
    const int batches = 3, M = 33, N = 52, K = 21;
    float *a, *b, *c, *h = new float[batches * M * N];
    cudaMalloc(&a, batches * M * K * sizeof(float));
    cudaMalloc(&b, batches * K * N * sizeof(float));
    cudaMalloc(&c, batches * M * N * sizeof(float));
    cudaMemcpy(a, h, batches * M * K * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, batches * K * N * sizeof(float), cudaMemcpyHostToDevice);
    dim3 block(8, 8);
    dim3 grid((N / 4 + 7) / 8, (M + 7) / 8, batches);
    bmm4<<<grid, block>>>(a, b, c, M, N, K);
    cudaMemcpy(h, c, batches * M * N * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
