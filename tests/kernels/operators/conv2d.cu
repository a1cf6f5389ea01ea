// NHWC, an output element a thread; its place by division and remainder.
#include <cuda_runtime.h>

#define N 16
#define H 8
#define W 8
#define CI 64
#define CO 64
#define KH 2
#define KW 2
#define STRIDE 2
#define OH ((H - KH) / STRIDE + 1)
#define OW ((W - KW) / STRIDE + 1)

__global__ void conv2d(const float *x, const float *w, float *y) {
    int idx = blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= N * OH * OW * CO) return;
    int co = idx % CO;
    int ow = (idx / CO) % OW;
    int oh = (idx / (CO * OW)) % OH;
    int n = idx / (CO * OW * OH);
    float sum = 0.0f;
    for (int kh = 0; kh < KH; kh++) {
        for (int kw = 0; kw < KW; kw++) {
            for (int ci = 0; ci < CI; ci++) {
                float in = x[((n * H + oh * STRIDE + kh) * W + ow * STRIDE + kw) * CI + ci];
                float weight = w[((co * KH + kh) * KW + kw) * CI + ci];
                sum += in * weight;
            }
        }
    }
    y[idx] = sum;
}
