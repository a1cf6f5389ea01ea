// Small matrices in registers: each thread inverts a 2 x 2 and multiplies 3 x 3 matrices.
#include <cuda_runtime.h>

__device__ void multiply3(const float (&a)[3][3], const float (&b)[3][3], float (&c)[3][3]) {
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) {
            c[i][j] = 0;
            for (int k = 0; k < 3; ++k) c[i][j] += a[i][k] * b[k][j];
        }
}

__global__ void cube(const float* in, float* out, float* det, int n) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    if (t >= n) return;
    float m[3][3], sq[3][3], cu[3][3];
    for (int i = 0; i < 9; ++i) m[i / 3][i % 3] = in[t * 9 + i];
    multiply3(m, m, sq);
    multiply3(sq, m, cu);
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) out[t * 9 + i * 3 + j] = cu[i][j];
    det[t] = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
             m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

int main() {
    const int n = 200;
    float *a, *b, *d, *h = new float[9 * n];
    cudaMalloc(&a, 9 * n * sizeof(float));
    cudaMalloc(&b, 9 * n * sizeof(float));
    cudaMalloc(&d, n * sizeof(float));
    cudaMemcpy(a, h, 9 * n * sizeof(float), cudaMemcpyHostToDevice);
    cube<<<(n + 63) / 64, 64>>>(a, b, d, n);
    cudaMemcpy(h, b, 9 * n * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(h, d, n * sizeof(float), cudaMemcpyDeviceToHost);
}
