// Min and sum pooling of NHWC, 2x2 without padding.
#include <cuda_runtime.h>
#include <cfloat>

__global__ void min_sum_pool(const float* x, float* lo, float* total, int H, int W, int C) {
    int c = threadIdx.x;
    int ow = blockIdx.x, oh = blockIdx.y, n = blockIdx.z;
    float m = FLT_MAX, s = 0;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            float v = x[((n * H + 2 * oh + i) * W + 2 * ow + j) * C + c];
            if (v < m) m = v;
            s += v;
        }
    int o = ((n * gridDim.y + oh) * gridDim.x + ow) * C + c;
    lo[o] = m;
    total[o] = s;
}

int main() {
    const int N = 2, H = 12, W = 10, C = 24;
    float *x, *lo, *t, *h = new float[N * H * W * C];
    cudaMalloc(&x, N * H * W * C * sizeof(float));
    cudaMalloc(&lo, N * H / 2 * W / 2 * C * sizeof(float));
    cudaMalloc(&t, N * H / 2 * W / 2 * C * sizeof(float));
    cudaMemcpy(x, h, N * H * W * C * sizeof(float), cudaMemcpyHostToDevice);
    min_sum_pool<<<dim3(W / 2, H / 2, N), C>>>(x, lo, t, H, W, C);
    cudaMemcpy(h, lo, N * H / 2 * W / 2 * C * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(h, t, N * H / 2 * W / 2 * C * sizeof(float), cudaMemcpyDeviceToHost);
}
