// Matrix-vector product, one thread a row.
#include <cuda_runtime.h>

__global__ void matvec(const float *m, const float *v, float *r, unsigned rows, unsigned cols)
{
    unsigned row = blockDim.x * blockIdx.x + threadIdx.x;
    if (row < rows) {
        r[row] = 0;
        for (unsigned col = 0; col < cols; col++)
            r[row] += m[row * cols + col] * v[col];
    }
}

int main()
{
    unsigned rows = 500, cols = 123;
    float *m, *v, *r;
    float *hm = new float[rows * cols], *hr = new float[rows];
    cudaMalloc(&m, rows * cols * sizeof(float));
    cudaMalloc(&v, cols * sizeof(float));
    cudaMalloc(&r, rows * sizeof(float));
    cudaMemcpy(m, hm, rows * cols * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(v, hm, cols * sizeof(float), cudaMemcpyHostToDevice);
    matvec<<<(rows + 127) / 128, 128>>>(m, v, r, rows, cols);
    cudaMemcpy(hr, r, rows * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
