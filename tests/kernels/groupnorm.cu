// Group normalisation over channels of a group and pixels; grid (groups, batch).
#include <cuda_runtime.h>
#include <math.h>

__global__ void groupnorm(const float* x, const float* g, const float* b, float* y, int C, int HW, int G, float eps) {
    __shared__ float s1[128], s2[128];
    int cpg = C / G, n = cpg * HW, t = threadIdx.x;
    size_t off = ((size_t)blockIdx.y * C + blockIdx.x * cpg) * HW;
    float a = 0, q = 0;
    for (int i = t; i < n; i += blockDim.x) { float v = x[off + i]; a += v; q += v * v; }
    s1[t] = a; s2[t] = q;
    __syncthreads();
    for (int s = blockDim.x / 2; s > 0; s /= 2) {
        if (t < s) { s1[t] += s1[t + s]; s2[t] += s2[t + s]; }
        __syncthreads();
    }
    float mean = s1[0] / n, inv = rsqrtf(s2[0] / n - mean * mean + eps);
    for (int i = t; i < n; i += blockDim.x) {
        int c = blockIdx.x * cpg + i / HW;
        y[off + i] = (x[off + i] - mean) * inv * g[c] + b[c];
    }
}

int main() {
    float *x, *host_x = new float[2*12*35];
    float *g, *host_g = new float[12];
    float *b, *host_b = new float[12];
    float *y, *host_y = new float[2*12*35];
    cudaMalloc(&x, (2*12*35) * sizeof(float));
    cudaMalloc(&g, (12) * sizeof(float));
    cudaMalloc(&b, (12) * sizeof(float));
    cudaMalloc(&y, (2*12*35) * sizeof(float));
    cudaMemcpy(x, host_x, (2*12*35) * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(g, host_g, (12) * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, host_b, (12) * sizeof(float), cudaMemcpyHostToDevice);
    groupnorm<<<dim3(3, 2), 128>>>(x, g, b, y, 12, 35, 3, 1e-5f);
    cudaMemcpy(host_y, y, (2*12*35) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
