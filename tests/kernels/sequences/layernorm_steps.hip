// Layer normalisation in three kernels: means, variances, and what is made of them.
#include <hip/hip_runtime.h>
#include <vector>

#define ROWS 24
#define COLS 40

__global__ void means_of(const float *x, float *means) {
    int row = threadIdx.x;
    float sum = 0.0f;
    for (int c = 0; c < COLS; ++c) sum += x[row * COLS + c];
    means[row] = sum / COLS;
}

__global__ void variances_of(const float *x, const float *means, float *variances) {
    int row = threadIdx.x;
    float sum = 0.0f;
    for (int c = 0; c < COLS; ++c) {
        float d = x[row * COLS + c] - means[row];
        sum += d * d;
    }
    variances[row] = sum / COLS;
}

__global__ void normalise(const float *x, const float *means, const float *variances,
                          const float *gamma, float *y, float epsilon) {
    int row = blockIdx.x, c = threadIdx.x;
    float scale = rsqrtf(variances[row] + epsilon);
    y[row * COLS + c] = (x[row * COLS + c] - means[row]) * scale * gamma[c];
}

static void require(hipError_t code) {
    if (code != hipSuccess) exit(1);
}

int main() {
    std::vector<float> x(ROWS * COLS, 1.5f), gamma(COLS, 0.5f), y(ROWS * COLS);
    float *dx, *dgamma, *dy, *moments;
    require(hipMalloc(&dx, x.size() * sizeof(float)));
    require(hipMalloc(&dgamma, gamma.size() * sizeof(float)));
    require(hipMalloc(&dy, y.size() * sizeof(float)));
    require(hipMalloc(&moments, 2 * ROWS * sizeof(float)));
    require(hipMemcpy(dx, x.data(), x.size() * sizeof(float), hipMemcpyHostToDevice));
    require(hipMemcpy(dgamma, gamma.data(), COLS * sizeof(float), hipMemcpyHostToDevice));
    hipLaunchKernelGGL(means_of, dim3(1), dim3(ROWS), 0, 0, dx, moments);
    // Both halves of one array.
    hipLaunchKernelGGL(variances_of, dim3(1), dim3(ROWS), 0, 0, dx, moments, moments + ROWS);
    normalise<<<ROWS, COLS>>>(dx, moments, moments + ROWS, dgamma, dy, 1e-5f);
    require(hipDeviceSynchronize());
    require(hipMemcpy(y.data(), dy, y.size() * sizeof(float), hipMemcpyDeviceToHost));
    return 0;
}
