// residual += x, then RMS normalisation of the residual; a warp a row, four rows a block.
#include <cuda_runtime.h>

#define ROWS_PER_BLOCK 4

__global__ void __launch_bounds__(32 * ROWS_PER_BLOCK)
fused_add_rmsnorm(const float *__restrict__ x, float *__restrict__ residual,
                  const float *__restrict__ w, float *__restrict__ y,
                  int rows, int cols, float eps)
{
    const int lane = threadIdx.x;
    const int row  = blockIdx.x * ROWS_PER_BLOCK + threadIdx.y;
    if (row >= rows)
        return;

    const float *px = x + row * cols;
    float       *pr = residual + row * cols;
    float       *py = y + row * cols;

    float ss = 0.f;
    for (int c = lane; c < cols; c += 32) {
        const float v = px[c] + pr[c];
        pr[c] = v;
        ss = fmaf(v, v, ss);
    }
    for (int m = 16; m; m >>= 1)
        ss += __shfl_xor_sync(0xffffffffu, ss, m);

    const float r = rsqrtf(ss / (float)cols + eps);
    for (int c = lane; c < cols; c += 32)
        py[c] = pr[c] * r * w[c];
}
