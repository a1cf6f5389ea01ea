// A histogram, cleared by the host, and the share of each bin.
#include <cuda_runtime.h>
#include <vector>

__global__ void count(const unsigned char *pixels, unsigned int *bins, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&bins[pixels[i] >> 4], 1u);
}

__global__ void share_of(const unsigned int *bins, float *shares, int n) {
    shares[threadIdx.x] = (float)bins[threadIdx.x] / n;
}

int main() {
    const int n = 777, kinds = 16;
    std::vector<unsigned char> pixels(n);
    std::vector<float> shares(kinds);
    unsigned char *d_pixels;
    unsigned int *d_bins;
    float *d_shares;
    cudaMalloc(&d_pixels, n);
    cudaMalloc(&d_bins, kinds * sizeof(unsigned int));
    cudaMalloc(&d_shares, kinds * sizeof(float));
    cudaMemcpy(d_pixels, pixels.data(), n, cudaMemcpyHostToDevice);
    cudaMemset(d_bins, 0, kinds * sizeof(unsigned int));
    count<<<(n + 127) / 128, 128>>>(d_pixels, d_bins, n);
    share_of<<<1, kinds>>>(d_bins, d_shares, n);
    cudaMemcpy(shares.data(), d_shares, kinds * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
