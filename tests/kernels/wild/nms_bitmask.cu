// First half of non-maximum suppression: bit j of mask[i][block] says that box i suppresses the
// j-th box of that column of 64. Boxes are (x1, y1, x2, y2), sorted by score; only later boxes are
// suppressed.
#include <cuda_runtime.h>

typedef unsigned long long u64;
#define BOXES 64

__device__ inline float iou(const float *a, const float *b)
{
    const float left = fmaxf(a[0], b[0]), right = fminf(a[2], b[2]);
    const float top = fmaxf(a[1], b[1]), bottom = fminf(a[3], b[3]);
    const float w = fmaxf(right - left, 0.f), h = fmaxf(bottom - top, 0.f);
    const float inter = w * h;
    const float area_a = (a[2] - a[0]) * (a[3] - a[1]);
    const float area_b = (b[2] - b[0]) * (b[3] - b[1]);
    return inter / (area_a + area_b - inter);
}

__global__ void nms_mask(const float *boxes, u64 *mask, int n, float threshold)
{
    const int row0 = blockIdx.y * BOXES, col0 = blockIdx.x * BOXES;
    const int rows = min(n - row0, BOXES), cols = min(n - col0, BOXES);

    __shared__ float column[BOXES * 4];
    if (threadIdx.x < cols)
        for (int k = 0; k < 4; ++k)
            column[threadIdx.x * 4 + k] = boxes[(col0 + threadIdx.x) * 4 + k];
    __syncthreads();

    if (threadIdx.x < rows) {
        const int me = row0 + threadIdx.x;
        u64 bits = 0;
        for (int j = blockIdx.x == blockIdx.y ? threadIdx.x + 1 : 0; j < cols; ++j)
            if (iou(boxes + me * 4, column + j * 4) > threshold)
                bits |= 1ULL << j;
        // Blocks below the diagonal hold earlier boxes, which nothing suppresses.
        mask[me * gridDim.x + blockIdx.x] = blockIdx.x < blockIdx.y ? 0ULL : bits;
    }
}
