// (B, T, 3, NH, HS) -> three tensors (B, NH, T, HS), by division and remainder.
#include <cuda_runtime.h>

__global__ void permute_kernel(float* q, float* k, float* v, const float* inp, int B, int N, int NH, int d) {
    int idx = blockIdx.x * blockDim.x + threadIdx.x;
    if (idx < B * NH * N * d) {
        int b = idx / (NH * N * d);
        int rest = idx % (NH * N * d);
        int nh_ = rest / (N * d);
        rest = rest % (N * d);
        int n = rest / d;
        int d_ = rest % d;
        int inp_idx = (b * N * 3 * NH * d) + (n * 3 * NH * d) + (0 * NH * d) + (nh_ * d) + d_;
        q[idx] = inp[inp_idx];
        k[idx] = inp[inp_idx + NH * d];
        v[idx] = inp[inp_idx + 2 * (NH * d)];
    }
}

int main() {
    int B = 2, T = 11, NH = 3, d = 20;
    int total = B * NH * T * d;
    float *q, *k, *v, *inp, *h = new float[3 * total];
    cudaMalloc(&q, total * sizeof(float));
    cudaMalloc(&k, total * sizeof(float));
    cudaMalloc(&v, total * sizeof(float));
    cudaMalloc(&inp, 3 * total * sizeof(float));
    cudaMemcpy(inp, h, 3 * total * sizeof(float), cudaMemcpyHostToDevice);
    permute_kernel<<<(total + 255) / 256, 256>>>(q, k, v, inp, B, T, NH, d);
    cudaMemcpy(h, q, total * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(h, k, total * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(h, v, total * sizeof(float), cudaMemcpyDeviceToHost);
}
