// Naive transpose of a double matrix.
#include <cuda_runtime.h>
__global__ void transpose(const double *A, double *B, int rows, int cols)
{
    int c = blockDim.x * blockIdx.x + threadIdx.x, r = blockDim.y * blockIdx.y + threadIdx.y;
    if (r < rows && c < cols)
        B[c * rows + r] = A[r * cols + c];
}
int main()
{
    int rows = 57, cols = 83;
    double *A, *B, *h = (double *)malloc(rows * cols * sizeof *h);
    cudaMalloc(&A, rows * cols * sizeof *A);
    cudaMalloc(&B, rows * cols * sizeof *B);
    cudaMemcpy(A, h, rows * cols * sizeof *h, cudaMemcpyHostToDevice);
    dim3 blk(16, 8);
    transpose<<<dim3((cols + blk.x - 1) / blk.x, (rows + blk.y - 1) / blk.y), blk>>>(A, B, rows, cols);
    cudaMemcpy(h, B, rows * cols * sizeof *h, cudaMemcpyDeviceToHost);
    free(h);
}
