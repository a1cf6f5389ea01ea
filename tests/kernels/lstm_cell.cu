// LSTM cell: four gates of one row, two outputs, sigmoid and tanh device functions.
#include <cuda_runtime.h>
#include <math.h>

__device__ __forceinline__ float sig(float x) { return 1.f / (1.f + expf(-x)); }
__global__ void cell(const float* gates, const float* c_prev, float* c_out, float* h_out, int hidden) {
    int j = blockIdx.x * blockDim.x + threadIdx.x, b = blockIdx.y;
    if (j >= hidden) return;
    const float* g = gates + b * 4 * hidden;
    float i = sig(g[j]), f = sig(g[j + hidden] + 1.f), o = sig(g[j + 2 * hidden]), u = tanhf(g[j + 3 * hidden]);
    float c = f * c_prev[b * hidden + j] + i * u;
    c_out[b * hidden + j] = c;
    h_out[b * hidden + j] = o * tanhf(c);
}

int main() {
    float *g, *host_g = new float[5*4*70];
    float *p, *host_p = new float[5*70];
    float *c, *host_c = new float[5*70];
    float *h, *host_h = new float[5*70];
    cudaMalloc(&g, (5*4*70) * sizeof(float));
    cudaMalloc(&p, (5*70) * sizeof(float));
    cudaMalloc(&c, (5*70) * sizeof(float));
    cudaMalloc(&h, (5*70) * sizeof(float));
    cudaMemcpy(g, host_g, (5*4*70) * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(p, host_p, (5*70) * sizeof(float), cudaMemcpyHostToDevice);
    cell<<<dim3(3, 5), 32>>>(g, p, c, h, 70);
    cudaMemcpy(host_c, c, (5*70) * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(host_h, h, (5*70) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
