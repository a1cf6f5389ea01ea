// self[r, index[r, c]] = src[r, c] along the last dimension. Within a row the indices differ, so
// no two threads meet.
#include <cuda_runtime.h>

__global__ void scatter_last_dim(float* self, const long long* index, const float* src, int rows,
                                 int index_cols, int self_cols)
{
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    const int r = blockIdx.y;
    if (r >= rows || c >= index_cols) return;

    const long long target = index[r * index_cols + c];
    if (target < 0 || target >= self_cols) return;  // padding
    self[r * self_cols + target] = src[r * index_cols + c];
}
