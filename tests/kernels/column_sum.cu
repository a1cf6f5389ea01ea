// Column sums, one thread a column.
#include <cuda_runtime.h>

__global__ void column_sum(const float* dout, float* dbias, int B, int T, int OC) {
    int o = blockIdx.x * blockDim.x + threadIdx.x;
    if (o >= OC) return;
    double sum = 0.0;
    for (int b = 0; b < B; b++) {
        for (int t = 0; t < T; t++) {
            sum += dout[b * T * OC + t * OC + o];
        }
    }
    dbias[o] = sum;
}

int main() {
    int B = 4, T = 30, OC = 100;
    float *x, *y, *h = new float[B * T * OC];
    cudaMalloc(&x, B * T * OC * sizeof(float));
    cudaMalloc(&y, OC * sizeof(float));
    cudaMemcpy(x, h, B * T * OC * sizeof(float), cudaMemcpyHostToDevice);
    column_sum<<<(OC + 31) / 32, 32>>>(x, y, B, T, OC);
    cudaMemcpy(h, y, OC * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
