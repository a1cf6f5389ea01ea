// Direct convolution, NCHW, bias, stride and padding; the thread index is decomposed.
#include <cuda_runtime.h>

__global__ void conv2d(const float* x, const float* w, const float* bias, float* y, int N, int C, int H,
                       int W, int F, int K, int stride, int pad, int OH, int OW) {
    int idx = blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= N * F * OH * OW) return;
    int ow = idx % OW;
    int oh = (idx / OW) % OH;
    int f = (idx / (OW * OH)) % F;
    int n = idx / (OW * OH * F);
    float acc = bias[f];
    for (int c = 0; c < C; ++c)
        for (int kh = 0; kh < K; ++kh)
            for (int kw = 0; kw < K; ++kw) {
                int ih = oh * stride - pad + kh;
                int iw = ow * stride - pad + kw;
                if (ih < 0 || ih >= H || iw < 0 || iw >= W) continue;
                acc += x[((n * C + c) * H + ih) * W + iw] * w[((f * C + c) * K + kh) * K + kw];
            }
    y[idx] = acc;
}

int main() {
    const int N = 2, C = 3, H = 15, W = 14, F = 5, K = 3, stride = 2, pad = 1;
    const int OH = (H + 2 * pad - K) / stride + 1, OW = (W + 2 * pad - K) / stride + 1;
    float *x, *w, *b, *y, *h = new float[4096];
    cudaMalloc(&x, sizeof(float) * N * C * H * W);
    cudaMalloc(&w, sizeof(float) * F * C * K * K);
    cudaMalloc(&b, sizeof(float) * F);
    cudaMalloc(&y, sizeof(float) * N * F * OH * OW);
    cudaMemcpy(x, h, sizeof(float) * N * C * H * W, cudaMemcpyHostToDevice);
    cudaMemcpy(w, h, sizeof(float) * F * C * K * K, cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, sizeof(float) * F, cudaMemcpyHostToDevice);
    int total = N * F * OH * OW;
    conv2d<<<(total + 127) / 128, 128>>>(x, w, b, y, N, C, H, W, F, K, stride, pad, OH, OW);
    cudaMemcpy(h, y, sizeof(float) * total, cudaMemcpyDeviceToHost);
    return 0;
}
