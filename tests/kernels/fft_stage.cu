// One radix-2 stage of an FFT with twiddles from sincosf.
#include <cuda_runtime.h>
#include <math.h>

__global__ void stage(float* re, float* im, int n, int half) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    if (t >= n / 2) return;
    int k = t % half, base = (t / half) * 2 * half + k;
    float s, c;
    sincosf(-3.14159265f * k / half, &s, &c);
    float xr = re[base + half] * c - im[base + half] * s, xi = re[base + half] * s + im[base + half] * c;
    float ur = re[base], ui = im[base];
    re[base] = ur + xr; im[base] = ui + xi;
    re[base + half] = ur - xr; im[base + half] = ui - xi;
}

int main() {
    float *re, *host_re = new float[128];
    float *im, *host_im = new float[128];
    cudaMalloc(&re, (128) * sizeof(float));
    cudaMalloc(&im, (128) * sizeof(float));
    cudaMemcpy(re, host_re, (128) * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(im, host_im, (128) * sizeof(float), cudaMemcpyHostToDevice);
    stage<<<2, 32>>>(re, im, 128, 16);
    cudaMemcpy(host_re, re, (128) * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(host_im, im, (128) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
