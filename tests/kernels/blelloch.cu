// Work-efficient exclusive scan, up-sweep and down-sweep with moving offsets.
#include <cuda_runtime.h>

__global__ void prescan(float* g_odata, const float* g_idata, int n) {
    extern __shared__ float temp[];
    int thid = threadIdx.x, offset = 1;
    temp[2 * thid] = g_idata[2 * thid];
    temp[2 * thid + 1] = g_idata[2 * thid + 1];
    for (int d = n >> 1; d > 0; d >>= 1) {
        __syncthreads();
        if (thid < d) {
            int ai = offset * (2 * thid + 1) - 1, bi = offset * (2 * thid + 2) - 1;
            temp[bi] += temp[ai];
        }
        offset *= 2;
    }
    if (thid == 0) temp[n - 1] = 0;
    for (int d = 1; d < n; d *= 2) {
        offset >>= 1;
        __syncthreads();
        if (thid < d) {
            int ai = offset * (2 * thid + 1) - 1, bi = offset * (2 * thid + 2) - 1;
            float t = temp[ai];
            temp[ai] = temp[bi];
            temp[bi] += t;
        }
    }
    __syncthreads();
    g_odata[2 * thid] = temp[2 * thid];
    g_odata[2 * thid + 1] = temp[2 * thid + 1];
}

int main() {
    float *o, *host_o = new float[64];
    float *i, *host_i = new float[64];
    cudaMalloc(&o, (64) * sizeof(float));
    cudaMalloc(&i, (64) * sizeof(float));
    cudaMemcpy(i, host_i, (64) * sizeof(float), cudaMemcpyHostToDevice);
    prescan<<<1, 32, 64 * sizeof(float)>>>(o, i, 64);
    cudaMemcpy(host_o, o, (64) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
