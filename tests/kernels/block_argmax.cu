// Argmax of each row by a tree over (value, index) pairs in shared memory; ties go to the lower index.
#include <cuda_runtime.h>
#include <math.h>

__global__ void argmax(const float* x, int* out, int cols) {
    __shared__ float v[64];
    __shared__ int ix[64];
    int t = threadIdx.x;
    const float* row = x + blockIdx.x * cols;
    float best = -INFINITY;
    int at = -1;
    for (int c = t; c < cols; c += 64)
        if (row[c] > best) { best = row[c]; at = c; }
    v[t] = best; ix[t] = at;
    __syncthreads();
    for (int s = 32; s > 0; s >>= 1) {
        if (t < s) {
            if (v[t + s] > v[t] || (v[t + s] == v[t] && ix[t + s] < ix[t])) { v[t] = v[t + s]; ix[t] = ix[t + s]; }
        }
        __syncthreads();
    }
    if (t == 0) out[blockIdx.x] = ix[0];
}

int main() {
    float *x, *host_x = new float[20*150];
    int *out, *host_out = new int[20];
    cudaMalloc(&x, (20*150) * sizeof(float));
    cudaMalloc(&out, (20) * sizeof(int));
    cudaMemcpy(x, host_x, (20*150) * sizeof(float), cudaMemcpyHostToDevice);
    argmax<<<20, 64>>>(x, out, 150);
    cudaMemcpy(host_out, out, (20) * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
