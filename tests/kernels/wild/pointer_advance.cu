/* Removes the part along one vector from the columns of a matrix. Device functions take pointers and
 * walk them, in the manner of the BLAS; no index is computed twice. */
#include <cuda_runtime.h>

/* dot product of two strided vectors */
static __device__ float sdot(int n, const float *x, int incx, const float *y, int incy)
{
    float s = 0.0f;
    while (n-- > 0) {
        s += *x * *y;
        x += incx;
        y += incy;
    }
    return s;
}

/* y += a * x, strided */
static __device__ void saxpy(int n, float a, const float *x, int incx, float *y, int incy)
{
    for (; n > 0; --n, x += incx, y += incy)
        *y += a * *x;
}

/* out[:, j] = w[:, j] - (v . w[:, j]) v for every column j of w (rows x cols): removes v's part */
__global__ void project_out(const float *w, const float *v, float *out, int rows, int cols)
{
    const int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= cols) return;

    const float *src = w + j;
    float *dst = out + j;
    const float part = sdot(rows, v, 1, src, cols);
    for (int i = 0; i < rows; ++i) {
        *dst = *src;
        dst += cols;
        src += cols;
    }
    saxpy(rows, -part, v, 1, out + j, cols);
}
