// Online softmax: maximum and normaliser in one pass, one thread a row.
#include <cuda_runtime.h>
#include <float.h>

__global__ void softmax_online(const float* inp, float* out, int N, int C) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < N) {
        const float* inp_row = inp + i * C;
        float* out_row = out + i * C;
        float maxval = -INFINITY;
        double sum = 0.0;
        for (int j = 0; j < C; j++) {
            float maxval_prev = maxval;
            if (inp_row[j] > maxval) {
                maxval = inp_row[j];
                sum = sum * expf(maxval_prev - maxval) + expf(inp_row[j] - maxval);
            } else {
                sum += expf(inp_row[j] - maxval);
            }
        }
        for (int j = 0; j < C; j++) {
            out_row[j] = expf(inp_row[j] - maxval) / sum;
        }
    }
}

int main() {
    const int N = 70, C = 120;
    float *inp, *out;
    float *h = new float[N * C];
    cudaMalloc(&inp, N * C * sizeof(float));
    cudaMalloc(&out, N * C * sizeof(float));
    cudaMemcpy(inp, h, N * C * sizeof(float), cudaMemcpyHostToDevice);
    softmax_online<<<(N + 31) / 32, 32>>>(inp, out, N, C);
    cudaMemcpy(h, out, N * C * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
