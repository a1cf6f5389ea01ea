// Softmax over the rows of a matrix, one block a row: two tree reductions in shared memory.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <cuda_runtime.h>

#define BLOCK 256

#define CHECK(expr)                                                                   \
    do {                                                                              \
        cudaError_t err = (expr);                                                     \
        if (err != cudaSuccess) {                                                     \
            fprintf(stderr, "%s failed: %s\n", #expr, cudaGetErrorString(err));       \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

__global__ void softmax(const float* __restrict__ x, float* __restrict__ y, int n) {
    __shared__ float scratch[BLOCK];
    const int tid = threadIdx.x;
    const float* row = x + blockIdx.x * n;
    float* result = y + blockIdx.x * n;

    // The largest element of the row.
    float largest = -INFINITY;
    for (int i = tid; i < n; i += BLOCK) {
        largest = fmaxf(largest, row[i]);
    }
    scratch[tid] = largest;
    __syncthreads();
    for (int stride = BLOCK / 2; stride > 0; stride >>= 1) {
        if (tid < stride) {
            scratch[tid] = fmaxf(scratch[tid], scratch[tid + stride]);
        }
        __syncthreads();
    }
    largest = scratch[0];
    __syncthreads();

    // The sum of the exponentials.
    float sum = 0.0f;
    for (int i = tid; i < n; i += BLOCK) {
        sum += expf(row[i] - largest);
    }
    scratch[tid] = sum;
    __syncthreads();
    for (int stride = BLOCK / 2; stride > 0; stride >>= 1) {
        if (tid < stride) {
            scratch[tid] += scratch[tid + stride];
        }
        __syncthreads();
    }
    sum = scratch[0];

    for (int i = tid; i < n; i += BLOCK) {
        result[i] = expf(row[i] - largest) / sum;
    }
}

void softmax_forward(const float* x, float* y, int rows, int cols) {
    float *d_x, *d_y;
    const size_t bytes = sizeof(float) * rows * cols;
    CHECK(cudaMalloc(&d_x, bytes));
    CHECK(cudaMalloc(&d_y, bytes));
    CHECK(cudaMemcpy(d_x, x, bytes, cudaMemcpyHostToDevice));

    softmax<<<rows, BLOCK>>>(d_x, d_y, cols);
    CHECK(cudaGetLastError());
    CHECK(cudaDeviceSynchronize());

    CHECK(cudaMemcpy(y, d_y, bytes, cudaMemcpyDeviceToHost));
    CHECK(cudaFree(d_x));
    CHECK(cudaFree(d_y));
}

int main() {
    const int rows = 4096;
    const int cols = 1024;
    std::vector<float> x(rows * cols);
    std::vector<float> y(rows * cols);
    for (int i = 0; i < rows * cols; ++i) {
        x[i] = static_cast<float>(rand()) / RAND_MAX * 8.0f - 4.0f;
    }

    softmax_forward(x.data(), y.data(), rows, cols);

    double worst = 0.0;
    for (int r = 0; r < rows; ++r) {
        double sum = 0.0;
        for (int c = 0; c < cols; ++c) {
            sum += y[r * cols + c];
        }
        if (std::fabs(sum - 1.0) > worst) worst = std::fabs(sum - 1.0);
    }
    printf("softmax: rows sum to 1 within %g\n", worst);
    return worst < 1e-4 ? 0 : 1;
}
