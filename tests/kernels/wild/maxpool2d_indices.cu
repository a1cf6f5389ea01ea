// Max pooling, NCHW, with the flat position of each maximum for the backward pass. The first of
// equal values wins; padding never does.
#include <cuda_runtime.h>
#include <limits.h>
#include <float.h>

template <typename scalar_t>
__global__ void maxpool_with_indices(const scalar_t *bottom, scalar_t *top, int *where, int planes,
                                     int height, int width, int out_h, int out_w, int kernel,
                                     int stride, int pad)
{
    const int n = planes * out_h * out_w;
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;

    const int ow = i % out_w;
    const int oh = (i / out_w) % out_h;
    const int plane = i / (out_w * out_h);

    int h0 = oh * stride - pad, w0 = ow * stride - pad;
    const int h1 = min(h0 + kernel, height), w1 = min(w0 + kernel, width);
    h0 = max(h0, 0);
    w0 = max(w0, 0);

    scalar_t best = -FLT_MAX;
    int at = -1;
    const scalar_t *in = bottom + plane * height * width;
    for (int h = h0; h < h1; ++h) {
        for (int w = w0; w < w1; ++w) {
            if (in[h * width + w] > best) {
                best = in[h * width + w];
                at = h * width + w;
            }
        }
    }
    top[i] = best;
    where[i] = at;
}
