// Convolution of a tile with its halo in shared memory, filled by a strided loop; weights in shared too.
#include <cuda_runtime.h>

#define TS 8
#define KS 3
__global__ void conv(const float* x, const float* k, float* y, int h, int w) {
    __shared__ float tile[TS + KS - 1][TS + KS - 1];
    __shared__ float ws[KS * KS];
    int t = threadIdx.y * TS + threadIdx.x;
    if (t < KS * KS) ws[t] = k[t];
    for (int p = t; p < (TS + KS - 1) * (TS + KS - 1); p += TS * TS) {
        int r = p / (TS + KS - 1), c = p % (TS + KS - 1);
        int gy = blockIdx.y * TS + r - 1, gx = blockIdx.x * TS + c - 1;
        tile[r][c] = (gy >= 0 && gy < h && gx >= 0 && gx < w) ? x[gy * w + gx] : 0.f;
    }
    __syncthreads();
    int oy = blockIdx.y * TS + threadIdx.y, ox = blockIdx.x * TS + threadIdx.x;
    if (oy < h && ox < w) {
        float a = 0.f;
        for (int i = 0; i < KS; ++i)
            for (int j = 0; j < KS; ++j) a += tile[threadIdx.y + i][threadIdx.x + j] * ws[i * KS + j];
        y[oy * w + ox] = a;
    }
}

int main() {
    float *x, *host_x = new float[21*27];
    float *k, *host_k = new float[9];
    float *y, *host_y = new float[21*27];
    cudaMalloc(&x, (21*27) * sizeof(float));
    cudaMalloc(&k, (9) * sizeof(float));
    cudaMalloc(&y, (21*27) * sizeof(float));
    cudaMemcpy(x, host_x, (21*27) * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(k, host_k, (9) * sizeof(float), cudaMemcpyHostToDevice);
    conv<<<dim3(4, 3), dim3(8, 8)>>>(x, k, y, 21, 27);
    cudaMemcpy(host_y, y, (21*27) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
