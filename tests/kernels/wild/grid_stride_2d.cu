// Masked, scaled residual in two dimensions; both loops stride by the grid, so any grid covers any
// matrix. Leading dimensions may exceed the width.
#include <cuda_runtime.h>

#define GRID_STRIDE_X(i, n) \
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += blockDim.x * gridDim.x)
#define GRID_STRIDE_Y(i, n) \
    for (int i = blockIdx.y * blockDim.y + threadIdx.y; i < (n); i += blockDim.y * gridDim.y)

__global__ void masked_residual(const float *__restrict__ x, int ldx,
                                const bool *__restrict__ mask,
                                float *__restrict__ y, int ldy,
                                int rows, int cols, float scale)
{
    GRID_STRIDE_Y(r, rows) {
        GRID_STRIDE_X(c, cols) {
            const float add = mask[r * cols + c] ? scale * x[r * ldx + c] : 0.0f;
            y[r * ldy + c] += add;
        }
    }
}
