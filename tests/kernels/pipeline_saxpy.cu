// y = a * x + y with tiles of x on their way a step before, through cuda_pipeline.h.
#include <cuda_pipeline.h>
#include <cuda_runtime.h>

#define TILE 128

__global__ void saxpy(const float* x, float* y, float a, int tiles) {
    __shared__ __align__(16) float buf[2][TILE];
    const int t = threadIdx.x, first = blockIdx.x * tiles * TILE;
    __pipeline_memcpy_async(&buf[0][t * 4], &x[first + t * 4], 4 * sizeof(float));
    __pipeline_commit();
    for (int i = 0; i < tiles; ++i) {
        if (i + 1 < tiles) {
            const float* next = x + first + (i + 1) * TILE + t * 4;
            __pipeline_memcpy_async(&buf[(i + 1) % 2][t * 4], next, sizeof(float4));
        }
        __pipeline_commit();
        __pipeline_wait_prior(1);
        __syncthreads();
        for (int j = t; j < TILE; j += blockDim.x)
            y[first + i * TILE + j] = a * buf[i % 2][j] + y[first + i * TILE + j];
        __syncthreads();
    }
}

int main() {
    const int n = 2048;
    float *x, *y, *h = new float[n];
    cudaMalloc(&x, n * sizeof(float));
    cudaMalloc(&y, n * sizeof(float));
    cudaMemcpy(x, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(y, h, n * sizeof(float), cudaMemcpyHostToDevice);
    saxpy<<<4, 32>>>(x, y, 1.5f, 4);
    cudaMemcpy(h, y, n * sizeof(float), cudaMemcpyDeviceToHost);
}
