// Channels in the block, output pixels in the grid.
#include <cuda_runtime.h>
#include <float.h>

#define N 1
#define H 5
#define W 5
#define C 64
#define KH 5
#define KW 5
#define SH 1
#define SW 1
#define OH ((H - KH) / SH + 1)
#define OW ((W - KW) / SW + 1)

__global__ void minpool(const float *x, float *y)
{
    const int ow = blockIdx.x;
    const int oh = blockIdx.y;
    const int n = blockIdx.z;
    for (int c = threadIdx.x; c < C; c += blockDim.x) {
        float smallest = FLT_MAX;
        for (int i = 0; i < KH; i++) {
            for (int j = 0; j < KW; j++) {
                const float v = x[((n * H + (oh * SH + i)) * W + (ow * SW + j)) * C + c];
                smallest = v < smallest ? v : smallest;
            }
        }
        y[((n * OH + oh) * OW + ow) * C + c] = smallest;
    }
}
