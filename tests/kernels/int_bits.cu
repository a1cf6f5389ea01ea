// Integer arithmetic: shifts, masks, xor, signed division and remainder by a constant.
#include <cuda_runtime.h>
#include <cstdint>

__global__ void mix(const int32_t* a, const uint32_t* b, int32_t* q, int32_t* r, uint32_t* h, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        int32_t v = a[i];
        q[i] = v / 7;
        r[i] = v % 7;
        uint32_t x = b[i];
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        h[i] = (x & 0x0fffffffu) | ((uint32_t)v << 28);
    }
}

int main() {
    const int n = 1999;
    int32_t *a, *q, *r;
    uint32_t *b, *h;
    static int32_t ha[n], hq[n], hr[n];
    static uint32_t hb[n], hh[n];
    cudaMalloc(&a, sizeof(ha));
    cudaMalloc(&b, sizeof(hb));
    cudaMalloc(&q, sizeof(hq));
    cudaMalloc(&r, sizeof(hr));
    cudaMalloc(&h, sizeof(hh));
    cudaMemcpy(a, ha, sizeof(ha), cudaMemcpyHostToDevice);
    cudaMemcpy(b, hb, sizeof(hb), cudaMemcpyHostToDevice);
    mix<<<(n + 63) / 64, 64>>>(a, b, q, r, h, n);
    cudaMemcpy(hq, q, sizeof(hq), cudaMemcpyDeviceToHost);
    cudaMemcpy(hr, r, sizeof(hr), cudaMemcpyDeviceToHost);
    cudaMemcpy(hh, h, sizeof(hh), cudaMemcpyDeviceToHost);
    return 0;
}
