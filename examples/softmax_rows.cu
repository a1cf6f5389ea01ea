// Softmax over the rows of a matrix, one thread a row.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <cuda_runtime.h>

__global__ void softmax_rows(const float *in, float *out, int rows, int cols)
{
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows) {
        float largest = in[row * cols];
        for (int c = 1; c < cols; c++) {
            if (in[row * cols + c] > largest)
                largest = in[row * cols + c];
        }

        float sum = 0.0f;
        for (int c = 0; c < cols; c++) {
            float e = expf(in[row * cols + c] - largest);
            out[row * cols + c] = e;
            sum += e;
        }

        for (int c = 0; c < cols; c++)
            out[row * cols + c] /= sum;
    }
}

void run_softmax_rows(const float *in, float *out, int rows, int cols)
{
    float *d_in, *d_out;
    size_t size = (size_t)rows * cols * sizeof(float);

    cudaMalloc((void **)&d_in, size);
    cudaMalloc((void **)&d_out, size);
    cudaMemcpy(d_in, in, size, cudaMemcpyHostToDevice);

    dim3 block(64);
    dim3 grid((rows + block.x - 1) / block.x);
    softmax_rows<<<grid, block>>>(d_in, d_out, rows, cols);
    cudaDeviceSynchronize();

    cudaMemcpy(out, d_out, size, cudaMemcpyDeviceToHost);
    cudaFree(d_in);
    cudaFree(d_out);
}

int main(void)
{
    int rows = 500, cols = 200;
    float *in = (float *)malloc(rows * cols * sizeof(float));
    float *out = (float *)malloc(rows * cols * sizeof(float));
    srand(1);
    for (int i = 0; i < rows * cols; i++)
        in[i] = 10.0f * rand() / RAND_MAX - 5.0f;

    run_softmax_rows(in, out, rows, cols);

    float worst = 0.0f;
    for (int r = 0; r < rows; r++) {
        float sum = 0.0f;
        for (int c = 0; c < cols; c++)
            sum += out[r * cols + c];
        worst = fmaxf(worst, fabsf(sum - 1.0f));
    }
    printf("softmax_rows: rows sum to 1 within %g\n", worst);
    free(in);
    free(out);
    return worst > 1e-4f;
}
